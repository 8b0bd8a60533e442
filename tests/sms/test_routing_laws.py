"""What holds for every history: pace, fairness, the hedge budget, breakers, and a quiet day."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodhod_server.domain.ladder import SendKind
from hodhod_server.sms.breaker import Health
from hodhod_server.sms.dispatch_queue import DispatchQueue, Urgency, Wanted
from hodhod_server.sms.hedging import HedgeBudget
from hodhod_server.sms.pacing import Pace
from hodhod_server.sms.provider import Channel, Outcome, OutcomeClass, Terms
from hodhod_server.sms.router import Router, RouterSnapshot
from hodhod_server.sms.router_rules import HedgeRules, PaceRules, QueueRules, RouterRules
from tests.sms.carrier_world import World
from tests.sms.carriers import CASES

ANSWERS = st.sampled_from(list(OutcomeClass))


def terms(name: str, rate_per_s: float) -> Terms:
    return Terms(
        name=name,
        channel=Channel.SMS,
        failure_domain=name,
        rate_per_s=rate_per_s,
        in_flight_max=50,
    )


def wanted(key: str, kind: SendKind = SendKind.FIRST, source: int = 0) -> Wanted:
    return Wanted(key=key, channel=Channel.SMS, kind=kind, source=source)


@given(
    rate_per_s=st.floats(1.0, 300.0),
    steps=st.lists(st.tuples(st.floats(0.0, 0.3), st.booleans(), st.booleans()), max_size=200),
)
def test_no_second_ever_sees_more_than_the_contract(
    rate_per_s: float, steps: list[tuple[float, bool, bool]]
) -> None:
    pace = Pace(terms("ada", rate_per_s), PaceRules())
    now_s = 0.0
    left: list[float] = []
    for passed_s, is_throttled, is_answered in steps:
        now_s += passed_s
        while pace.wait_s(now_s) <= 0:
            pace.take(now_s)
            left.append(now_s)
            if is_answered:
                pace.finish(0.1)
        if is_throttled:
            pace.throttle(now_s, None)
        assert pace.in_flight <= 50
        assert 0.05 <= pace.factor <= 1.0
        recent = sum(at_s > now_s - 1.0 for at_s in left)
        assert recent <= rate_per_s
        while pace.in_flight > 25:
            pace.finish(0.2)


def test_throttling_cuts_the_pace_once_a_second_and_it_grows_back() -> None:
    pace = Pace(terms("ada", 100.0), PaceRules())
    for _ in range(5):
        pace.throttle(10.0, None)
    assert pace.rate_per_s == pytest.approx(70.0)
    pace.wait_s(13.0)
    assert pace.rate_per_s == pytest.approx(85.0)
    pace.wait_s(20.0)
    assert pace.rate_per_s == pytest.approx(98.2), "a little less than where it was too much"
    pace.wait_s(320.0)
    assert pace.rate_per_s == pytest.approx(100.0)
    pace.throttle(320.0, retry_after_s=7.0)
    assert pace.wait_s(320.0) == pytest.approx(7.0)


def test_quick_answers_do_not_hold_back_what_leaves_in_long_turns() -> None:
    pace, left = Pace(terms("ada", 200.0), PaceRules()), 0
    for turn in range(500):
        under_way = 0
        while pace.wait_s(turn * 0.2) <= 0:
            pace.take(turn * 0.2)
            under_way += 1
        for _ in range(under_way):
            pace.finish(0.01)
        left += under_way
    assert left >= 0.95 * 200 * 100


def test_a_whole_contract_is_used_while_nobody_complains() -> None:
    pace, left = Pace(terms("ada", 43.3), PaceRules()), 0
    for turn in range(2000):  # turns of the dispatcher, now and then a long one
        now_s = turn * 0.05 if turn % 40 else turn * 0.05 + 0.04
        while pace.wait_s(now_s) <= 0:
            pace.take(now_s)
            pace.finish(0.1)
            left += 1
    assert 43 * 99 <= left <= 43.3 * 101


@given(waiting=st.permutations([*["first"] * 700, *["second"] * 250, *["late"] * 50]))
@settings(max_examples=10)
def test_classes_share_by_their_weights_and_keep_their_order(waiting: list[str]) -> None:
    queue = DispatchQueue(QueueRules())
    kinds = {"first": SendKind.FIRST, "second": SendKind.HEDGE, "late": SendKind.LATE}
    for number, name in enumerate(waiting):
        assert queue.offer(wanted(f"{number}", kinds[name], source=number), 100.0, 0.0)
    sent = []
    for _ in range(400):
        urgency = queue.turn(set())
        assert urgency is not None
        sent.append(queue.pop(urgency))
    shares = Counter(item.urgency for item in sent)
    assert shares[Urgency.FIRST] == pytest.approx(280, abs=3)
    assert shares[Urgency.SECOND] == pytest.approx(100, abs=3)
    assert shares[Urgency.LATE] == pytest.approx(20, abs=3)


@given(flood=st.integers(0, 255), people=st.integers(1, 200))
@settings(max_examples=20)
def test_a_flood_from_one_source_costs_the_others_nearly_nothing(flood: int, people: int) -> None:
    queue = DispatchQueue(QueueRules())
    for number in range(1_200):
        queue.offer(wanted(f"f{number}", source=flood), 100.0, number / 1_200)
    for number in range(people):
        queue.offer(wanted(f"p{number}", source=flood + 1 + number % 255), 100.0, 1.0)
    order = [queue.pop(Urgency.FIRST).wanted.key for _ in range(len(queue))]
    last = max(place for place, key in enumerate(order) if key.startswith("p"))
    assert last <= people + 20
    assert [key for key in order if key.startswith("f")] == [f"f{n}" for n in range(1_200)]


@given(
    kinds=st.lists(st.sampled_from(list(SendKind)), max_size=120),
    withdrawn=st.sets(st.integers(0, 119)),
)
def test_what_is_withdrawn_never_leaves_and_all_else_does_once(
    kinds: list[SendKind], withdrawn: set[int]
) -> None:
    queue = DispatchQueue(QueueRules())
    taken = {
        str(number)
        for number, kind in enumerate(kinds)
        if queue.offer(wanted(str(number), kind, source=number), 10.0, float(number))
    }
    for number in withdrawn:
        queue.withdraw(str(number))
    left = []
    while (urgency := queue.turn(set())) is not None:
        left.append(queue.pop(urgency).wanted.key)
    assert sorted(left) == sorted(taken - {str(number) for number in withdrawn})
    assert len(queue) == 0


def test_a_full_queue_refuses_the_newest_and_one_source_cannot_fill_it() -> None:
    queue = DispatchQueue(QueueRules(waiting_max=160))
    one = sum(queue.offer(wanted(f"f{number}", source=7), 10.0, 0.0) for number in range(100))
    assert one == 10
    rest = sum(queue.offer(wanted(f"p{n}", source=8 + n), 10.0, 0.0) for n in range(200))
    assert rest == 150


@given(
    seconds=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=200)
)
def test_hedges_on_suspicion_keep_to_their_share_of_the_first_sends_they_belong_to(
    seconds: list[tuple[int, int]],
) -> None:
    rules = HedgeRules()
    budget = HedgeBudget(rules)
    hedges: list[int] = []
    for second, (firsts, asked) in enumerate(seconds, start=1_000):
        for _ in range(firsts):
            budget.note_first(second)
        sent = 0
        while sent < asked and budget.left(second) >= 1.0:
            budget.note_hedge(second)
            sent += 1
        hedges.append(sent)
        newest = len(hedges) - 1 - rules.lag_s
        base = (
            sum(item[0] for item in seconds[max(0, newest - 59) : newest + 1]) if newest >= 0 else 0
        )
        if sent:
            assert sum(hedges[-60:]) <= rules.share * base + rules.burst + 1e-6


def test_proven_losses_may_be_hedged_beyond_it_up_to_half() -> None:
    budget = HedgeBudget(HedgeRules())
    for _ in range(1_000):
        budget.note_first(100.0)
    budget.note_judged(300.0, 119.0)
    assert budget.left(121.0) == pytest.approx(150 + 300 + 20)
    budget.note_judged(600.0, 121.0)
    assert budget.left(121.0) == pytest.approx(500 + 20)


@given(
    answers=st.lists(st.tuples(ANSWERS, st.booleans()), min_size=1, max_size=150),
    providers=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_one_road_stays_open_and_a_snapshot_keeps_it_so(
    answers: list[tuple[OutcomeClass, bool]], providers: int, seed: int
) -> None:
    lines = [terms(f"p{number}", 50.0) for number in range(providers)]
    router = Router(lines, RouterRules(), Random(seed))
    now_s = 50_000.0
    for number, (kind, is_typed) in enumerate(answers):
        now_s += 0.4
        router.offer(wanted(str(number), source=number), now_s)
        for order, choice in router.next(now_s):
            router.note_outcome(choice.send, Outcome(kind=kind), now_s + 0.1)
            if is_typed:
                router.note_verified(order.key, now_s + 0.3)
        assert any(state.health in (Health.OK, Health.WEAK) for state in router.states())
    successor = Router(lines[: max(1, providers - 1)], RouterRules(), Random(seed))
    snapshot = msgspec.json.encode(router.snapshot(now_s))
    successor.restore(msgspec.json.decode(snapshot, type=RouterSnapshot), 3.0)
    assert any(state.health in (Health.OK, Health.WEAK) for state in successor.states())
    assert successor.domains(Channel.SMS) >= 1


def day_starts(random: Random) -> list[float]:
    """A day: one a minute at night, a swell by day, and a wave in the evening."""
    starts: list[float] = []
    now_s = 0.0
    while now_s < 86_400.0:
        hour = now_s / 3_600.0
        per_s = 1.0 / 60.0
        if hour >= 7:
            per_s = 0.02 + 0.06 * math.sin(math.pi * (hour - 7) / 17)
        if 20.0 <= hour < 20.05:
            per_s = 20.0
        now_s += random.expovariate(per_s)
        starts.append(now_s)
    return starts


def test_no_breaker_trips_on_a_healthy_day() -> None:
    report = World(CASES["healthy"], 1).run(day_starts(Random(1)))
    assert report.users > 5_000
    assert report.opened == ()
    assert report.incident_at_s is None
    assert report.p95_s <= 26


def test_all_of_a_contract_leaves_in_turns_that_look_ahead() -> None:
    """What a turn decides leaves at its moment, up to a turn later."""
    router = Router([terms("ada", 40.0)], RouterRules(), Random(1))
    left: list[float] = []
    for turn in range(100):
        now_s = 1000.0 + turn * 0.09
        for number in range(8):
            router.offer(
                Wanted(key=f"{turn}.{number}", channel=Channel.SMS, kind=SendKind.FIRST), now_s
            )
        for _, choice in router.next(now_s, 0.1):
            left.append(choice.leaves_at_s)
            router.note_outcome(choice.send, Outcome(kind=OutcomeClass.ACCEPTED), now_s)
    assert left == sorted(left)
    a_second_later = zip(left, left[40:], strict=False)
    assert all(later - sooner >= 1.0 - 1e-9 for sooner, later in a_second_later)
    assert sum(1002.0 <= at_s < 1008.0 for at_s in left) >= 6 * 40 - 1
