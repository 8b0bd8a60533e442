"""The waiting room: more people come than texts can leave, so they wait for their turn and know it.

People are let in as fast as codes are really handed over, a little faster while the queue behind
the room is short and slower while it is long or this process has more to do than it can. So no
capacity idles and the wait is here, where it costs nothing: who waits is a signed ticket in
somebody's hand and one more in a count. Turns go by time of arrival; a share is kept for people who
were invited.

Always true: a position never rises, a turn that has come stays, and each answer says when to come
back.
"""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

import msgspec

from hodhod_server.domain.ability import Ability
from hodhod_server.domain.errors import Overloaded, RateLimited
from hodhod_server.domain.load import Level, Load, Spread
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.tickets import VERSION, Ticket, mint_ticket, read_ticket
from hodhod_server.domain.waiting_line import Honesty, Line, Speed
from hodhod_server.settings.door import DoorSettings
from hodhod_server.telemetry import logs, metrics

log = logs.get("room")
ORDINARY: Final = 0
INVITED: Final = 1
GROWTH: Final = 0.5  # how strongly the queue behind the room corrects the pace
LONG: Final = 2.0  # times the wait that is aimed at: less leaves than providers agreed to
FIRST_TEXTS: Final = 0.9  # of all texts; the others are second ones
PACE_LEAST: Final = 0.2
PACE_MOST: Final = 1.5
SPEED_MIN: Final = 5.0  # people a second while nothing is known of the hand-offs
LOOK_IN_S: Final = 45.0  # somebody far behind looks in this often, and is not parked
NEAR_S: Final = 10.0  # whose turn is nearer is told its moment, else a part of the way
RETURN_MIN_S: Final = 1.0
EARLY_MS: Final = 300
MARGIN_S: Final = 4.0  # a turn is noticed only when its holder comes back
FULL_RETRY_S: Final = 300.0


class Pace(Protocol):
    """What the dispatcher of codes knows about itself."""

    def wait_s(self) -> tuple[float, float]:
        """How long a code that is ordered now will wait for its hand-off: p50 and p90."""
        ...

    def handed_over_per_s(self) -> float:
        """Codes handed over in a second, over the last half minute."""
        ...

    def may_enter_per_s(self) -> float:
        """Texts that providers take in a second, as far as is known, or people who need none."""
        ...

    def is_leading(self) -> bool:
        """Does this process dispatch? Then what it says counts for all."""
        ...


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody in the room is told. Waits in seconds until the code leaves."""

    ticket: str
    p50_s: float
    p90_s: float
    position: int
    come_back_ms: int
    text_us_first: bool


class RoomNews(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that dispatches tells the others about the room."""

    is_open: bool
    serving_s: tuple[float, float]
    speed_per_s: float
    wait_s: float
    told_at_s: float


class WaitingRoom:
    """The room as one process sees it."""

    def __init__(
        self,
        settings: DoorSettings,
        key: Secret,
        pace: Pace,
        dice: Random,
        load: Load | None = None,
    ) -> None:
        self._load = load
        self._ability = Ability()
        self._settings = settings
        self._key = key
        self._pace = pace
        self._dice = dice
        self._spread = Spread()
        self._lanes = (Line(), Line())
        self._speed = Speed(SPEED_MIN)
        self._honesty = Honesty()
        self._is_open = False
        self._wait_s = 0.0
        self._ticked_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Do newcomers wait?"""
        return self._is_open

    @property
    def lanes(self) -> tuple[Line, Line]:
        """Ordinary and invited, for the exchange with other processes."""
        return self._lanes

    def predicted_s(self) -> float:
        """How long somebody who comes now will probably wait."""
        if not self._is_open:
            return self._wait_s
        return self._lanes[ORDINARY].waiting / self._speed.per_s + self._wait_s

    def join(self, holder: bytes, now_s: float, *, is_invited: bool) -> Turn | None:
        """A place in line; `None`: nobody has to wait. Raises `Overloaded` where it is too long."""
        if not self._is_open:
            self._ability.note_entry()
            return None
        lane = INVITED if is_invited else ORDINARY
        if self.is_full(lane):
            raise self.refusal()
        line, likely_s = self._lanes[lane], self._likely_s(lane)
        line.join(now_s)
        metrics.ROOM_PROMISED_SECONDS.set(likely_s)
        first = Ticket(
            version=VERSION,
            arrived_ms=int(now_s * 1000),
            lane=lane,
            holder=holder,
            not_before_ms=0,
            expires_ms=0,
            promised_p50_s=likely_s,
            promised_p90_s=likely_s * self._honesty.late + MARGIN_S,
            position=int(line.waiting),
        )
        return self._turn(first, now_s, likely_s)

    def is_full(self, lane: int = ORDINARY) -> bool:
        """Is the line too long for one more?"""
        return self._is_open and self._likely_s(lane) > self._settings.room_wait_max_s

    def refusal(self) -> Overloaded:
        """What is said then: when to come again, to each something else."""
        return Overloaded(retry_after_s=self._spread.between(0.5, 1.5) * FULL_RETRY_S)

    def come_back(self, text: str, holder: bytes, now_s: float) -> Turn | None:
        """`None`: the turn has come. Raises `TicketInvalid`, `RateLimited` where it is too early.

        Too early is cheap: it is decided from the ticket alone.
        """
        now_ms = int(now_s * 1000)
        ticket = read_ticket(self._key, text, holder, now_ms)
        if ticket.not_before_ms - EARLY_MS > now_ms:
            early_s = (ticket.not_before_ms - now_ms) / 1000
            raise RateLimited(retry_after_s=round(early_s, 1))
        arrived_s = ticket.arrived_ms / 1000
        line = self._lanes[ticket.lane]
        if not self._is_open or line.is_served(arrived_s):
            self._note_entry(ticket, now_s)
            return None
        ahead = line.ahead(arrived_s)
        likely_s = ahead / self._lane_speed(ticket.lane) + self._wait_s
        position = min(ticket.position, int(ahead))
        return self._turn(msgspec.structs.replace(ticket, position=position), now_s, likely_s)

    def tick(self, now_s: float) -> None:
        """Time passes: let in as many as there is room for. A few times a second."""
        lasted_s = 0.0 if self._ticked_s is None else max(0.0, now_s - self._ticked_s)
        self._ticked_s = now_s
        self._wait_s = self._pace.wait_s()[0]
        handed_over_per_s = self._pace.handed_over_per_s()
        self._ability.pass_time(lasted_s, is_busy=self._is_busy, others_per_s=handed_over_per_s)
        if not self._is_open:
            if self._wait_s > self._settings.room_opens_s or self._is_busy:
                self._open(now_s)
            return
        self._let_in(self._allowed_per_s() * lasted_s, lasted_s, now_s)
        waiting = self._lanes[ORDINARY].waiting + self._lanes[INVITED].waiting
        metrics.ROOM_WAITING.set(waiting)
        ready = sum(line.ready(now_s) for line in self._lanes)
        is_short = self._wait_s <= self._settings.room_opens_s and not self._is_busy
        if ready < 1 and is_short:
            self._is_open = False
            metrics.ROOM_OPEN.set(0)
            log.info("room.closed")

    def news(self, now_s: float) -> RoomNews:
        """What the others have to know, from the process that dispatches."""
        return RoomNews(
            is_open=self._is_open,
            serving_s=(self._lanes[ORDINARY].serving_s, self._lanes[INVITED].serving_s),
            speed_per_s=self._speed.per_s,
            wait_s=self._wait_s,
            told_at_s=now_s,
        )

    def follow(self, news: RoomNews, now_s: float) -> None:
        """Do as the process says that dispatches."""
        if news.is_open and not self._is_open:
            self._open(now_s)
        self._is_open = news.is_open
        metrics.ROOM_OPEN.set(int(news.is_open))
        self._wait_s = news.wait_s
        self._speed = Speed(SPEED_MIN)
        self._speed.note(news.speed_per_s, 1.0)
        self._ticked_s = now_s

    def carry_on(self, now_s: float) -> None:
        """Nobody says how it goes: go on at the last known speed."""
        lasted_s = 0.0 if self._ticked_s is None else max(0.0, now_s - self._ticked_s)
        self._ticked_s = now_s
        if self._is_open:
            self._let_in(self._speed.per_s * lasted_s, lasted_s, now_s)

    def _open(self, now_s: float) -> None:
        for line in self._lanes:
            line.open(now_s)
        self._is_open = True
        self._speed = Speed(SPEED_MIN)
        is_busy = self._is_busy  # then what leaves is what can be done
        speed = self._pace.handed_over_per_s() if is_busy else self._likely_per_s()
        self._speed.note(speed, 1.0)
        metrics.ROOM_OPEN.set(1)
        log.info("room.opened")

    def _allowed_per_s(self) -> float:
        target_s = self._settings.room_fill * self._settings.room_opens_s
        correction = 1.0 + GROWTH * (target_s - self._wait_s) / target_s
        pace = min(PACE_MOST, max(PACE_LEAST, correction))
        is_long = self._wait_s > LONG * target_s
        speed = self._pace.handed_over_per_s() if is_long else self._likely_per_s()
        return min(max(SPEED_MIN, speed) * pace, self._ability.per_s)

    @property
    def _is_busy(self) -> bool:
        return self._load is not None and self._load.level >= Level.BUSY

    def _likely_per_s(self) -> float:
        """People who can be handed their codes in a second. What was handed over tells only how
        many came: at the start of a surge, and while people who were let in are on their way."""
        return max(self._pace.handed_over_per_s(), FIRST_TEXTS * self._pace.may_enter_per_s())

    def _let_in(self, people: float, lasted_s: float, now_s: float) -> None:
        invited = self._lanes[INVITED].advance(people * self._settings.invited_share, now_s)
        ordinary = self._lanes[ORDINARY].advance(people - invited, now_s)
        rest = people - invited - ordinary
        if rest > 0:
            invited += self._lanes[INVITED].advance(rest, now_s)
        if self._lanes[ORDINARY].ready(now_s) >= 1:  # else the line was the limit and not the pace
            self._speed.note(invited + ordinary, lasted_s)

    def _likely_s(self, lane: int) -> float:
        """How long somebody who comes now would wait."""
        return self._lanes[lane].waiting / self._lane_speed(lane) + self._wait_s

    def _lane_speed(self, lane: int) -> float:
        share = self._settings.invited_share
        if not self._lanes[INVITED].waiting:
            share = 0.0
        if lane == ORDINARY:
            return self._speed.per_s * (1.0 - share)
        return self._speed.per_s * max(share, self._settings.invited_share)

    def _turn(self, ticket: Ticket, now_s: float, likely_s: float) -> Turn:
        """What is told, with a ticket for the next time."""
        left_s = max(0.0, likely_s - self._wait_s)
        back_s = max(RETURN_MIN_S, left_s + 0.2)
        if back_s > NEAR_S:
            back_s = min(LOOK_IN_S, back_s * 0.75) * (0.8 + 0.2 * self._dice.random())
        come_back_ms = int((now_s + back_s) * 1000)
        kept_s = self._settings.room_returns_s + self._settings.room_parked_s
        renewed = msgspec.structs.replace(
            ticket,
            not_before_ms=come_back_ms,
            expires_ms=come_back_ms + int(max(kept_s, likely_s) * 1000),
        )
        return Turn(
            ticket=mint_ticket(self._key, renewed),
            p50_s=round(likely_s, 1),
            p90_s=round(likely_s * self._honesty.late + MARGIN_S, 1),
            position=ticket.position,
            come_back_ms=come_back_ms,
            text_us_first=likely_s > self._settings.room_text_us_s,
        )

    def _note_entry(self, ticket: Ticket, now_s: float) -> None:
        """Compare what was promised with what came; a parked one has only themselves to blame."""
        self._ability.note_entry()
        waited_s = now_s - ticket.arrived_ms / 1000
        metrics.ROOM_WAITED_SECONDS.observe(waited_s)
        late_s = max(0.0, now_s - ticket.not_before_ms / 1000)
        if late_s > self._settings.room_returns_s:
            metrics.ROOM_PARKED.inc()
            return
        actual_s = waited_s - late_s + self._wait_s
        self._honesty.note(ticket.promised_p50_s, actual_s)
        metrics.ROOM_PROMISES.labels(str(actual_s <= ticket.promised_p90_s).lower()).inc()
