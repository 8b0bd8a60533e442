"""The waiting room in virtual time: 60,000 people, more at the peak than texts can leave."""

from __future__ import annotations

import heapq
import math
from random import Random

import msgspec
import pytest

from hodhod_server.domain.errors import Overloaded, RateLimited, TicketInvalid
from hodhod_server.domain.load import Level
from hodhod_server.domain.secret import Secret
from hodhod_server.services.waiting_room import Turn, WaitingRoom
from hodhod_server.settings import DoorSettings
from tests.doors import SetPace
from tests.load import Told

KEY = Secret(b"k" * 32)
TICK_S = 0.25
BEGAN_S = 1_800_000_000.0


class Dispatcher:
    """A queue of codes that leave at a fixed rate, and what it says about itself."""

    def __init__(self, per_s: float, agreed_per_s: float) -> None:
        self.per_s = per_s
        self.agreed_per_s = agreed_per_s
        self.queued = 0.0
        self.mean_per_s = 0.0

    def tick(self, lasted_s: float) -> None:
        left = min(self.queued, self.per_s * lasted_s)
        self.queued -= left
        self.mean_per_s += (left / lasted_s - self.mean_per_s) * (1 - 0.5 ** (lasted_s / 15))

    def wait_s(self) -> tuple[float, float]:
        return self.queued / self.per_s, self.queued / self.per_s * 1.5

    def handed_over_per_s(self) -> float:
        return self.mean_per_s

    def may_enter_per_s(self) -> float:
        return self.agreed_per_s

    def is_leading(self) -> bool:
        return True


class Person(msgspec.Struct):
    """Somebody in the surge, with what they were told."""

    arrived_s: float
    is_invited: bool = False
    promised_p90_s: float | None = None
    entered_s: float | None = None
    handed_over_s: float | None = None
    ticket: str = ""
    positions: list[int] = msgspec.field(default_factory=list)
    requests: int = 0


def surge(people: int, dice: Random) -> list[Person]:
    """Sixty of a hundred in the first third of ten minutes: a peak of 180 a second for 60,000."""
    arrivals = [
        dice.uniform(0, 200) if dice.random() < 0.6 else dice.uniform(200, 600)
        for _ in range(people)
    ]
    return [Person(BEGAN_S + moment) for moment in sorted(arrivals)]


def run(
    crowd: list[Person],
    capacity_per_s: float,
    until_s: float,
    leave: float = 0.0,
    agreed_per_s: float | None = None,
) -> None:
    """Everybody knocks, waits as told and comes back; `leave`: the share that never does."""
    dice = Random(3)
    dispatcher = Dispatcher(capacity_per_s, agreed_per_s or capacity_per_s)
    room = WaitingRoom(DoorSettings(), KEY, dispatcher, Random(1))
    agenda = [(person.arrived_s, number) for number, person in enumerate(crowd)]
    heapq.heapify(agenda)
    now_s = BEGAN_S
    while agenda and now_s < BEGAN_S + until_s:
        now_s += TICK_S
        while agenda and agenda[0][0] <= now_s:
            moment_s, number = heapq.heappop(agenda)
            back_s = _knock(room, crowd[number], number, moment_s)
            if back_s is None:
                dispatcher.queued += 1
                crowd[number].handed_over_s = moment_s + dispatcher.wait_s()[0]
            elif dice.random() >= leave:
                heapq.heappush(agenda, (back_s + dice.uniform(0, 0.5), number))
        dispatcher.tick(TICK_S)
        room.tick(now_s)


def took_s(person: Person) -> float:
    """From arrival until the code left."""
    assert person.handed_over_s is not None
    return person.handed_over_s - person.arrived_s


def _knock(room: WaitingRoom, person: Person, number: int, now_s: float) -> float | None:
    person.requests += 1
    holder = number.to_bytes(12)
    turn: Turn | None
    if person.ticket:
        turn = room.come_back(person.ticket, holder, now_s)
    else:
        turn = room.join(holder, now_s, is_invited=person.is_invited)
        if turn is not None:
            person.promised_p90_s = turn.p90_s
    if turn is None:
        person.entered_s = now_s
        return None
    person.ticket = turn.ticket
    person.positions.append(turn.position)
    return turn.come_back_ms / 1000


@pytest.fixture(scope="module")
def crowd() -> list[Person]:
    """60,000 people in ten minutes, through 130 texts a second."""
    crowd = surge(60_000, Random(2026))
    run(crowd, 130.0, 900.0)
    return crowd


def test_no_capacity_idles_while_people_wait(crowd: list[Person]) -> None:
    for seconds in (10, 60, 200):
        left = sum((person.handed_over_s or math.inf) <= BEGAN_S + seconds for person in crowd)
        assert left >= 0.985 * 130 * seconds, seconds


def test_providers_that_take_less_than_agreed_make_the_wait_longer_and_not_the_queue() -> None:
    crowd = surge(10_000, Random(2026))
    run(crowd, 12.0, 1_200.0, agreed_per_s=60.0)
    assert all(person.entered_s is not None for person in crowd)
    behind_s = [(person.handed_over_s or 0.0) - (person.entered_s or 0.0) for person in crowd]
    assert sorted(behind_s)[9_900] < 12.0
    promised = [person for person in crowd if person.promised_p90_s is not None]
    kept = sum(took_s(person) <= (person.promised_p90_s or 0.0) for person in promised)
    assert kept >= 0.9 * len(promised)


def test_a_busy_process_opens_the_room_and_lets_in_what_it_can() -> None:
    load, pace = Told(), SetPace(wait_s=0.0, per_s=100.0)
    room = WaitingRoom(DoorSettings(), KEY, pace, Random(1), load)
    now_s = BEGAN_S

    def let_in(seconds: int) -> float:
        before = room.lanes[0].waiting
        nonlocal now_s
        for _ in range(4 * seconds):
            now_s += TICK_S
            room.tick(now_s)
        return before - room.lanes[0].waiting

    room.tick(now_s)
    assert not room.is_open
    load.level = Level.BUSY
    room.tick(now_s)
    assert room.is_open
    for number in range(5_000):
        assert room.join(number.to_bytes(12), now_s + number / 5_000, is_invited=False)
    now_s += 1.0
    first, then = let_in(2) / 2, let_in(5) / 5
    assert 0 < then < 0.8 * first
    load.level = Level.CALM
    assert let_in(20) / 20 > 1.5 * then
    assert room.is_open, "while people wait"


def test_nobody_is_lost(crowd: list[Person]) -> None:
    assert all(person.entered_s is not None for person in crowd)


def test_nine_in_ten_have_their_code_leave_within_the_promise(crowd: list[Person]) -> None:
    promises = [
        (person.promised_p90_s, took_s(person))
        for person in crowd
        if person.promised_p90_s is not None
    ]
    assert len(promises) > 10_000
    assert sum(took <= promised for promised, took in promises) / len(promises) >= 0.9


def test_promises_are_no_excuses(crowd: list[Person]) -> None:
    """A promise of an hour would always be kept: the median is not over twice what came."""
    ratios = sorted(
        person.promised_p90_s / took_s(person)
        for person in crowd
        if person.promised_p90_s is not None and person.promised_p90_s > 20
    )
    assert ratios[len(ratios) // 2] <= 2.0


def test_most_wait_less_than_two_minutes_and_everybody_less_than_ten(crowd: list[Person]) -> None:
    waits = sorted(took_s(person) for person in crowd)
    assert waits[int(len(waits) * 0.95)] <= 120
    assert waits[-1] <= 600


def test_who_came_first_enters_first(crowd: list[Person]) -> None:
    """Give or take how long it takes somebody to notice that their turn has come."""
    latest = 0.0
    for person in crowd:
        assert person.entered_s is not None
        assert person.entered_s >= latest - 20.0
        latest = max(latest, person.entered_s)


def test_positions_never_rise(crowd: list[Person]) -> None:
    for person in crowd:
        assert person.positions == sorted(person.positions, reverse=True)


def test_waiting_costs_few_requests(crowd: list[Person]) -> None:
    waited = [person.requests for person in crowd if person.ticket]
    assert sum(waited) / len(waited) <= 8


def test_those_who_leave_do_not_waste_capacity() -> None:
    crowd = surge(20_000, Random(5))
    run(crowd, 40.0, 1_200.0, leave=0.03)
    entered = sorted(person.entered_s for person in crowd if person.entered_s is not None)
    middle = [moment for moment in entered if 60 < moment - BEGAN_S < 400]
    assert len(middle) / 340 >= 40 * 0.9


def test_invited_people_have_a_share_of_their_own() -> None:
    crowd = surge(20_000, Random(6))
    for person in crowd[::50]:
        person.is_invited = True
    run(crowd, 40.0, 1_200.0)
    waits = {True: list[float](), False: list[float]()}
    for person in crowd:
        if person.entered_s is not None and person.ticket:
            waits[person.is_invited].append(person.entered_s - person.arrived_s)
    mean = {is_invited: sum(some) / len(some) for is_invited, some in waits.items()}
    assert mean[True] < mean[False] / 3


def _crowded_room() -> tuple[WaitingRoom, SetPace]:
    pace = SetPace(wait_s=10.0, per_s=10.0)
    room = WaitingRoom(DoorSettings(), KEY, pace, Random(1))
    room.tick(BEGAN_S)
    for number in range(500):
        room.join(number.to_bytes(12), BEGAN_S + number / 500, is_invited=False)
    room.tick(BEGAN_S + 1)
    return room, pace


def _fill(room: WaitingRoom) -> None:
    for number in range(30_000):
        room.join(number.to_bytes(12), BEGAN_S + 5, is_invited=False)


def _join(room: WaitingRoom, now_s: float) -> Turn:
    turn = room.join(b"me", now_s, is_invited=False)
    assert turn is not None
    return turn


def test_who_comes_too_early_is_told_how_long_to_wait() -> None:
    room, _ = _crowded_room()
    turn = _join(room, BEGAN_S + 2)
    with pytest.raises(RateLimited) as refused:
        room.come_back(turn.ticket, b"me", BEGAN_S + 3)
    assert refused.value.retry_after_s == pytest.approx(turn.come_back_ms / 1000 - BEGAN_S - 3, 0.1)


def test_a_ticket_is_of_no_use_to_anybody_else() -> None:
    room, _ = _crowded_room()
    turn = _join(room, BEGAN_S + 2)
    back_s = turn.come_back_ms / 1000
    with pytest.raises(TicketInvalid):
        room.come_back(turn.ticket, b"you", back_s)
    with pytest.raises(TicketInvalid):
        room.come_back(turn.ticket[:-2] + "AA", b"me", back_s)
    with pytest.raises(TicketInvalid):
        room.come_back("", b"me", back_s)


def test_a_parked_place_is_kept_for_a_quarter_of_an_hour() -> None:
    room, pace = _crowded_room()
    turn = _join(room, BEGAN_S + 2)
    pace.now_waits_s, pace.per_s = 1.0, 100.0
    for step in range(400):
        room.tick(BEGAN_S + 2 + step / 4)
    pace.now_waits_s = 10.0
    room.tick(BEGAN_S + 102.25)
    assert room.come_back(turn.ticket, b"me", turn.come_back_ms / 1000 + 900) is None
    with pytest.raises(TicketInvalid):
        room.come_back(turn.ticket, b"me", turn.come_back_ms / 1000 + 961)


def test_long_waits_are_told_to_text_us_first_and_very_long_ones_to_come_later() -> None:
    room, _ = _crowded_room()
    assert not _join(room, BEGAN_S + 2).text_us_first
    for number in range(3_000):
        room.join(number.to_bytes(12), BEGAN_S + 3, is_invited=False)
    assert _join(room, BEGAN_S + 4).text_us_first
    with pytest.raises(Overloaded) as refused:
        _fill(room)
    assert 150 <= (refused.value.retry_after_s or 0) <= 450


def test_the_room_closes_when_nobody_waits() -> None:
    room, pace = _crowded_room()
    assert room.is_open
    pace.now_waits_s, pace.per_s = 0.5, 100.0
    for step in range(60):
        room.tick(BEGAN_S + 1 + step / 4)
    assert not room.is_open
    assert room.join(b"me", BEGAN_S + 20, is_invited=False) is None
