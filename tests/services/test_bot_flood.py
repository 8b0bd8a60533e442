"""A flood of bots beside a surge of people, in virtual time: who gets texts, and who is refused."""

from __future__ import annotations

import heapq
from collections import Counter
from random import Random

import pytest

from hodhod_server.domain.addresses import AnyAddress, parse_address
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.secret import Secret
from hodhod_server.services.newcomer_limits import NewcomerLimits
from hodhod_server.settings import DoorSettings

BEGAN_S = 1_800_000_000.0
SURGE_S = 200.0  # the steepest part of ten minutes in which 60,000 come
PEOPLE = 36_000
BOTS_PER_S = 1_000_000 / 3_600
BOT_ADDRESSES = 5_000


class Surge:
    """People behind carriers' NAT and bots from everywhere ask for codes; people enter them."""

    def __init__(self, settings: DoorSettings, nats: list[str], bots_pay: int = 0) -> None:
        self.limits = NewcomerLimits(settings, Secret(b"k" * 32))
        self.dice = Random(14)
        self.nats = nats
        self.bots_pay = bots_pay
        self.answers: Counter[str] = Counter()
        self.verifications: list[tuple[float, str, str]] = []

    def run(self, people: int, bots: int) -> None:
        dice = self.dice
        moments = [(dice.uniform(0, SURGE_S), True) for _ in range(people)] + [
            (dice.uniform(0, SURGE_S), False) for _ in range(bots)
        ]
        for after_s, is_person in sorted(moments):
            now_s = BEGAN_S + after_s
            self._verify_until(now_s)
            if is_person:
                self._person(now_s)
            else:
                self._bot(now_s)

    def _person(self, now_s: float) -> None:
        number = f"+989{self.dice.randrange(10**9):09}"
        address = self.dice.choice(self.nats)
        answer = self._ask(number, address, now_s, pays=3)
        self.answers[f"person {answer}"] += 1
        if answer.startswith("text") and self.dice.random() < 0.95:
            heapq.heappush(self.verifications, (now_s + self.dice.uniform(8, 30), number, address))

    def _bot(self, now_s: float) -> None:
        number = f"+989{self.dice.randrange(10**9):09}"
        which = self.dice.randrange(BOT_ADDRESSES)
        address = f"45.{which // 250}.{which % 250}.{which % 199 + 1}"
        answer = self._ask(number, address, now_s, pays=self.bots_pay)
        self.answers[f"bot {answer}"] += 1

    def _ask(self, number: str, address: str, now_s: float, pays: int) -> str:
        parsed: AnyAddress | None = parse_address(address)
        source = self.limits.source(Phone(number), self.dice.randbytes(32), parsed)
        self.limits.note_knock(source, now_s)
        verdict = self.limits.judge(source, now_s)
        if verdict.retry_after_s is not None:
            return "refused"
        if verdict.level > pays:
            return "priced"
        self.limits.note_start(source, now_s, gets_text=not verdict.is_inbound_only)
        return "inbound" if verdict.is_inbound_only else f"text {verdict.level}"

    def _verify_until(self, now_s: float) -> None:
        while self.verifications and self.verifications[0][0] <= now_s:
            at_s, number, address = heapq.heappop(self.verifications)
            self.limits.note_verified(Phone(number), at_s)
            self.limits.note_welcome(parse_address(address), at_s)

    def texts(self, who: str) -> int:
        return sum(
            count for answer, count in self.answers.items() if answer.startswith(f"{who} text")
        )


def nats(count: int, network: str = "5.112") -> list[str]:
    return [f"{network}.{number % 4}.{number + 1}" for number in range(count)]


@pytest.mark.parametrize("pay", [0, 1])
@pytest.mark.parametrize("known", [True, False], ids=["listed", "unlisted"])
def test_bots_that_pay_little_get_next_to_no_texts_and_no_person_is_refused(
    known: bool, pay: int
) -> None:
    """Half a percent at most, although all people share sixty addresses of a carrier."""
    carriers = ("5.112.0.0/16",) if known else ()
    surge = Surge(DoorSettings(carrier_networks=carriers), nats(60), bots_pay=pay)
    surge.run(PEOPLE, round(BOTS_PER_S * SURGE_S))
    assert surge.texts("person") == PEOPLE, surge.answers
    assert surge.texts("bot") <= PEOPLE * 0.005, surge.answers
    free_or_cheap = surge.answers["person text 0"] + surge.answers["person text 1"]
    assert free_or_cheap >= PEOPLE * (0.99 if known else 0.8), surge.answers


def test_a_city_behind_one_address_is_never_refused_for_it() -> None:
    """100.64.0.0/10 is known as shared from the start; a third of the surge comes from one."""
    surge = Surge(DoorSettings(), ["100.64.7.7"])
    surge.run(20_000, 0)
    assert surge.texts("person") == 20_000, surge.answers
    assert surge.answers["person text 3"] == 0


def test_bots_that_pay_two_seconds_are_asked_for_more_when_no_codes_come_back() -> None:
    """A price is no wall, but it rises: who pays 2 s gets texts for four minutes at most."""
    surge = Surge(DoorSettings(), nats(60), bots_pay=2)
    for step in range(20 * 600):
        surge._bot(BEGAN_S + step / 20)
    assert surge.texts("bot") <= 20 * 241


def test_pumping_one_block_ends_after_fifty_texts() -> None:
    limits = NewcomerLimits(DoorSettings(), Secret(b"k" * 32))
    sent = 0
    for number in range(500):
        source = limits.source(Phone(f"+98912345{number:04}"), b"%032d" % number, None)
        now_s = BEGAN_S + number * 5
        verdict = limits.judge(source, now_s)
        if not verdict.is_inbound_only:
            limits.note_start(source, now_s, gets_text=True)
            sent += 1
    assert sent <= 50


def test_a_block_where_people_enter_codes_is_not_stopped() -> None:
    limits = NewcomerLimits(DoorSettings(), Secret(b"k" * 32))
    for number in range(500):
        phone = Phone(f"+98912345{number:04}")
        source = limits.source(phone, b"%032d" % number, None)
        now_s = BEGAN_S + number * 5
        assert not limits.judge(source, now_s).is_inbound_only
        limits.note_start(source, now_s, gets_text=True)
        if number % 2:
            limits.note_verified(phone, now_s + 1)


def test_a_block_that_never_answers_is_barred_even_when_it_is_pumped_slowly() -> None:
    limits = NewcomerLimits(DoorSettings(), Secret(b"k" * 32))
    sent = 0
    for number in range(200):
        source = limits.source(Phone(f"+98912345{number:04}"), b"%032d" % number, None)
        now_s = BEGAN_S + number * 200
        verdict = limits.judge(source, now_s)
        if not verdict.is_inbound_only:
            limits.note_start(source, now_s, gets_text=True)
            sent += 1
    assert sent <= 100


def test_an_address_that_only_starts_pays_most_and_is_refused_when_nobody_answered() -> None:
    surge = Surge(DoorSettings(), ["5.112.0.1"])
    told = [
        surge._ask(f"+989{number:09}", "45.0.0.1", BEGAN_S + number, pays=0)
        for number in range(600)
    ]
    assert told[:4] == ["text 0"] * 4
    assert set(told[4:300]) == {"priced"}
    assert told[-1] == "refused"


def test_a_foreign_number_is_served_only_where_it_is_allowed_and_up_to_its_cap() -> None:
    limits = NewcomerLimits(DoorSettings(countries={"98": 0, "971": 2}), Secret(b"k" * 32))
    assert not limits.judge(limits.source(Phone("+4915112345678"), None, None), BEGAN_S).is_served
    for number in range(4):
        source = limits.source(Phone(f"+97150{number}234567"), None, None)
        assert limits.judge(source, BEGAN_S).is_inbound_only == (number >= 2)
        limits.note_start(source, BEGAN_S, gets_text=number < 2)
