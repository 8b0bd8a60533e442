"""The router as its dispatcher sees it: reasons, bounds, take-over, and a quiet day."""

from __future__ import annotations

import math
from random import Random

import msgspec
import pytest

from hodhod_server.domain.ladder import SendKind
from hodhod_server.sms.breaker import Health
from hodhod_server.sms.choice import Choice
from hodhod_server.sms.dispatch_queue import Wanted
from hodhod_server.sms.provider import Channel, Outcome, OutcomeClass, ReceiptState, Terms
from hodhod_server.sms.router import Router, RouterSnapshot
from hodhod_server.sms.router_rules import QueueRules, RouterRules

TAKEN = Outcome(kind=OutcomeClass.ACCEPTED)
START_S = 1_000_000.0


def terms(name: str, *, rate_per_s: float = 50.0, cost: int = 0, domain: str = "") -> Terms:
    return Terms(
        name=name,
        channel=Channel.SMS,
        failure_domain=domain or name,
        rate_per_s=rate_per_s,
        in_flight_max=100,
        cost=cost,
    )


def wanted(
    key: str, kind: SendKind = SendKind.FIRST, *, avoid: str = "", operator: str = ""
) -> Wanted:
    domains = frozenset([avoid]) if avoid else frozenset[str]()
    return Wanted(key=key, channel=Channel.SMS, kind=kind, avoid=domains, operator=operator)


def router_of(*providers: Terms, rules: RouterRules | None = None) -> Router:
    return Router(providers, rules or RouterRules(), Random(5))


def send_one(router: Router, order: Wanted, now_s: float) -> Choice:
    assert router.offer(order, now_s)
    [(_, choice)] = router.next(now_s)
    return choice


class Crowd:
    """People of whom the given share types its code ten seconds after it was sent."""

    def __init__(self, router: Router, shares: dict[str, float]) -> None:
        self.router = router
        self.shares = shares
        self.deaf: set[tuple[str, str]] = set()
        self.now_s = START_S
        self.sent: dict[str, int] = dict.fromkeys(shares, 0)
        self._random = Random(3)
        self._typing: list[tuple[float, str]] = []
        self._number = 0

    def live(self, seconds: int, per_s: int, operators: tuple[str, ...] = ("",)) -> None:
        for _ in range(seconds * per_s):
            self.now_s += 1.0 / per_s
            while self._typing and self._typing[0][0] <= self.now_s:
                self.router.note_verified(self._typing.pop(0)[1], self.now_s)
            self._number += 1
            operator = operators[self._number % len(operators)]
            self.router.offer(wanted(f"p{self._number}", operator=operator), self.now_s)
            for order, choice in self.router.next(self.now_s):
                self.router.note_outcome(choice.send, TAKEN, self.now_s)
                self.sent[choice.provider] += 1
                is_deaf = (choice.provider, order.operator) in self.deaf
                if not is_deaf and self._random.random() < self.shares[choice.provider]:
                    self._typing.append((self.now_s + 12.0, order.key))


def health(router: Router) -> dict[str, Health]:
    return {state.provider: state.health for state in router.states()}


def test_a_choice_says_what_was_weighed_and_why() -> None:
    router = router_of(terms("ada", cost=100), terms("bita", cost=400), terms("caman"))
    choice = send_one(router, wanted("c1", SendKind.HEDGE, avoid="ada"), START_S)
    assert choice.reason.kind is SendKind.HEDGE
    assert choice.reason.words
    weighed = {item.provider: item for item in choice.reason.candidates}
    assert set(weighed) == {"ada", "bita", "caman"}
    assert weighed["ada"].why_not == "its failure domain was used already"
    assert weighed[choice.provider].why_not == ""
    assert math.isfinite(weighed[choice.provider].score_s)


def test_a_second_text_never_takes_a_domain_used_before_if_another_is_open() -> None:
    router = router_of(terms("ada", domain="one"), terms("bita", domain="one"), terms("caman"))
    for number in range(20):
        order = wanted(f"c{number}", SendKind.HEDGE, avoid="one")
        choice = send_one(router, order, START_S + number)
        assert choice.provider == "caman"
        router.note_outcome(choice.send, TAKEN, START_S + number)
    alone = router_of(terms("ada"))
    assert send_one(alone, wanted("c1", SendKind.HEDGE, avoid="ada"), START_S).provider == "ada"


def test_the_cheaper_of_two_good_providers_gets_most() -> None:
    router = router_of(terms("ada", cost=100), terms("bita", cost=400))
    crowd = Crowd(router, {"ada": 0.95, "bita": 0.95})
    crowd.live(60, 10)
    assert crowd.sent["ada"] > 5 * crowd.sent["bita"] > 0


def test_a_good_busy_provider_is_waited_for_but_not_for_long() -> None:
    router = router_of(terms("good", rate_per_s=10.0), terms("weak", rate_per_s=100.0))
    crowd = Crowd(router, {"good": 0.95, "weak": 0.6})
    crowd.live(60, 6)
    assert crowd.sent["good"] > 0.7 * sum(crowd.sent.values())
    crowd.sent = dict.fromkeys(crowd.sent, 0)
    crowd.live(60, 30)
    assert crowd.sent["weak"] > crowd.sent["good"]


def test_an_operator_that_one_provider_does_not_reach_is_served_by_another() -> None:
    router = router_of(terms("ada"), terms("bita"))
    crowd = Crowd(router, {"ada": 0.95, "bita": 0.95})
    crowd.deaf.add(("ada", "irancell"))
    crowd.live(120, 20, operators=("mci", "mci", "mci", "irancell"))
    crowd.sent = dict.fromkeys(crowd.sent, 0)
    crowd.live(10, 20, operators=("irancell",))
    assert crowd.sent["bita"] > 3 * crowd.sent["ada"]


def test_who_has_verified_gets_nothing_more() -> None:
    router = router_of(terms("ada"))
    assert router.offer(wanted("c1"), START_S)
    router.note_verified("c1", START_S)
    assert router.next(START_S) == []
    assert router.next_at_s(START_S) == math.inf


def test_what_cannot_be_sent_or_held_is_refused() -> None:
    router = router_of(terms("ada"), rules=RouterRules(queue=QueueRules(waiting_max=32)))
    voice = msgspec.structs.replace(wanted("c1"), channel=Channel.VOICE)
    assert not router.offer(voice, START_S)
    offered = [
        router.offer(msgspec.structs.replace(wanted(f"c{number}"), source=number), START_S)
        for number in range(40)
    ]
    assert sum(offered) == 32
    assert not offered[-1]


def test_the_predicted_wait_is_the_wait() -> None:
    router = router_of(terms("ada", rate_per_s=20.0))
    for number in range(90):
        router.offer(msgspec.structs.replace(wanted(f"c{number}"), source=number), START_S)
    median_s, slow_s = router.wait_s(Channel.SMS)
    now_s = START_S
    left = 90
    while left:
        now_s = max(now_s + 0.005, router.next_at_s(now_s))
        for _, choice in router.next(now_s):
            router.note_outcome(choice.send, TAKEN, now_s)
            left -= 1
    assert 0.7 * median_s <= now_s - START_S <= slow_s


def test_a_provider_without_credit_is_left_out_at_once_until_a_probe_succeeds() -> None:
    router = router_of(terms("ada"), terms("bita"))
    choice = send_one(router, wanted("c0"), START_S)
    broke = choice.provider
    router.note_outcome(choice.send, Outcome(kind=OutcomeClass.CONFIG), START_S)
    assert health(router)[broke] is Health.DEAD
    seen = set()
    for number in range(29):
        choice = send_one(router, wanted(f"c1{number}"), START_S + number)
        router.note_outcome(choice.send, TAKEN, START_S + number)
        seen.add(choice.provider)
    assert broke not in seen
    for number in range(31, 60):
        choice = send_one(router, wanted(f"c2{number}"), START_S + number)
        router.note_outcome(choice.send, TAKEN, START_S + number)
    assert health(router)[broke] is Health.OK


def test_the_operator_can_close_a_breaker() -> None:
    router = router_of(terms("ada"), terms("bita"))
    choice = send_one(router, wanted("c0"), START_S)
    router.note_outcome(choice.send, Outcome(kind=OutcomeClass.CONFIG), START_S)
    router.clear(choice.provider, START_S + 1)
    assert health(router)[choice.provider] is Health.OK


def test_the_last_provider_is_never_left_out() -> None:
    router = router_of(terms("ada"), terms("bita"))
    for number in range(100):
        now_s = START_S + number * 0.1
        router.offer(wanted(f"c{number}"), now_s)
        for _, choice in router.next(now_s):
            router.note_outcome(choice.send, Outcome(kind=OutcomeClass.CONFIG), now_s)
        assert Health.OK in health(router).values()


def test_where_nobody_takes_anything_they_are_asked_seldom_until_one_does() -> None:
    router, sent = router_of(terms("ada"), terms("bita")), 0
    for number in range(1200):
        now_s = START_S + number * 0.01
        router.offer(wanted(f"c{number}"), now_s)
        for _, choice in router.next(now_s):
            router.note_outcome(choice.send, Outcome(kind=OutcomeClass.PROVIDER_FAULT), now_s)
            sent += number >= 200
    assert router.is_down(Channel.SMS)
    assert sent <= 10 * 6, "five a second, and a probe of the other"
    for number in range(1200, 1500):
        now_s = START_S + number * 0.01
        for _, choice in router.next(now_s):
            router.note_outcome(choice.send, TAKEN, now_s)
    assert not router.is_down(Channel.SMS)
    assert router.rate_per_s(Channel.SMS) == pytest.approx(50.0)


def test_without_credit_anywhere_nobody_takes_anything() -> None:
    router = router_of(terms("ada"), terms("bita"))
    for number in range(2):
        choice = send_one(router, wanted(f"c{number}"), START_S + number)
        router.note_outcome(choice.send, Outcome(kind=OutcomeClass.CONFIG), START_S + number)
    assert router.is_down(Channel.SMS)


def test_what_a_provider_says_of_delivery_is_shown_and_not_believed() -> None:
    router = router_of(terms("liar"), terms("honest"))
    crowd = Crowd(router, {"liar": 0.0, "honest": 0.95})
    for _ in range(40):
        crowd.live(1, 20)
        for _ in range(10):
            router.note_receipt("liar", ReceiptState.DELIVERED)
    states = {state.provider: state for state in router.states()}
    assert states["liar"].receipts_delivered == 400
    assert states["liar"].health is Health.DEAD
    assert states["honest"].health is Health.OK


def test_a_silent_provider_is_taken_back_when_its_probes_are_typed() -> None:
    router = router_of(terms("ada"), terms("bita"))
    crowd = Crowd(router, {"ada": 0.0, "bita": 0.95})
    crowd.live(40, 20)
    assert health(router)["ada"] is Health.DEAD
    crowd.shares["ada"] = 0.95
    crowd.live(180, 20)
    assert health(router)["ada"] is Health.OK
    assert crowd.sent["ada"] > 100  # the probes alone were a third of it


def test_two_that_fall_silent_together_are_no_reason_to_leave_either_out() -> None:
    router = router_of(terms("ada"), terms("bita"))
    crowd = Crowd(router, {"ada": 0.95, "bita": 0.95})
    crowd.live(60, 20)
    crowd.shares = {"ada": 0.0, "bita": 0.0}
    crowd.live(60, 20)
    assert router.is_incident
    assert not router.may_hedge(crowd.now_s)
    assert Health.DEAD not in health(router).values()
    crowd.shares = {"ada": 0.95, "bita": 0.95}
    crowd.live(60, 20)
    assert not router.is_incident
    assert router.may_hedge(crowd.now_s)


def test_people_who_type_slowly_are_no_reason_to_leave_anybody_out() -> None:
    router = router_of(terms("ada"), terms("bita"), terms("caman"))
    crowd = Crowd(router, dict.fromkeys(("ada", "bita", "caman"), 0.4))
    crowd.live(300, 20)
    assert Health.DEAD not in health(router).values()


def test_a_successor_goes_on_with_what_was_known() -> None:
    rules = RouterRules()
    first = router_of(terms("ada"), terms("bita"), terms("caman"), rules=rules)
    crowd = Crowd(first, {"ada": 0.0, "bita": 0.95, "caman": 0.5})
    crowd.live(60, 20)
    stored = msgspec.json.encode(first.snapshot(crowd.now_s))
    second = router_of(terms("ada"), terms("bita"), terms("new"), rules=rules)
    second.restore(msgspec.json.decode(stored, type=RouterSnapshot), 7.0)
    assert health(second)["ada"] is Health.DEAD
    assert health(second)["bita"] is Health.OK
    before = {state.provider: state.believed for state in first.states()}
    after = {state.provider: state.believed for state in second.states()}
    assert after["bita"] == pytest.approx(before["bita"], abs=0.1)


def test_a_hand_off_whose_outcome_is_lost_does_not_hold_its_place() -> None:
    router = router_of(terms("ada"))
    for number in range(30):
        router.offer(wanted(f"c{number}"), START_S + number)
        router.next(START_S + number)
    router.next(START_S + 60)
    [state] = router.states()
    assert state.in_flight == 0


def test_memory_is_bounded_however_long_a_surge_lasts() -> None:
    router = router_of(terms("ada", rate_per_s=500.0))
    crowd = Crowd(router, {"ada": 0.5})
    crowd.live(30, 50)
    lane = router._lanes[Channel.SMS]
    after_half_a_minute = len(lane.young)
    crowd.live(120, 50)
    assert len(lane.young) <= after_half_a_minute + 50
