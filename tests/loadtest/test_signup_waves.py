"""What a wave comes to is counted as people feel it."""

from __future__ import annotations

import itertools
import math
import random
import time

import pytest

from hodhod_loadtest.bench.accounting import Use
from hodhod_loadtest.shapes.times import poisson
from hodhod_loadtest.signups.cases import CASES
from hodhod_loadtest.signups.crowd import Draws, Person, people
from hodhod_loadtest.signups.journey import Account
from hodhod_loadtest.signups.outcome import Outcome
from hodhod_loadtest.signups.punctuality import pace
from hodhod_loadtest.signups.verdict import Verdict
from hodhod_loadtest.signups.wave import Run, Wave

USE = Use(wall_s=1.0, server_s={}, generator_s=0.0, busy_s=0.0)


def _came(code_s: float | None, in_s: float | None, due_s: float = 100.0) -> Account:
    account = Account(due_s)
    account.code_s = None if code_s is None else due_s + code_s
    account.in_s = None if in_s is None else due_s + in_s
    return account


def test_three_of_five_come_in_the_first_third() -> None:
    arrivals = Wave(people=6000, seconds=600).arrivals
    times = list(poisson(arrivals, random.Random(1)))
    assert times == sorted(times)
    assert 3450 < sum(time < 200 for time in times) < 3750
    assert len(times) == 6000
    assert times[-1] < 600
    assert Wave(people=60_000, seconds=600).arrivals.peak_per_s == pytest.approx(180)


def test_those_who_never_got_a_code_count() -> None:
    outcome = Outcome([*(_came(4, 12) for _ in range(9)), _came(None, None)], {"first": 12})
    assert outcome.code_in_hand_s(0.5) == pytest.approx(4)
    assert outcome.code_in_hand_s(0.95) == math.inf
    assert outcome.share_in(120) == pytest.approx(0.9)
    assert outcome.texts_per_success == pytest.approx(12 / 9)


def test_a_promise_is_kept_if_the_code_left_in_the_promised_time() -> None:
    quick, late = _came(4, 12), _came(4, 12)
    quick.promised_s, quick.sent_s = 5.0, 104.0
    late.promised_s, late.sent_s = 5.0, 120.0
    assert Outcome([quick, late, _came(4, 12)], {}).promises_kept == pytest.approx(0.5)


def test_a_verdict_needs_every_promise_and_a_punctual_generator() -> None:
    wave = Wave(people=10, seconds=10)
    kept = {"secrets found": 0.0}
    good = Outcome([_came(4, 12)] * 100, {"first": 110}, kept)
    bad = Outcome([_came(4, 12)] * 90 + [_came(None, None)] * 10, {"first": 110}, kept)
    case = CASES["healthy"]
    assert Verdict(case, wave, Run(good, 0.001, USE)).word == "pass"
    assert Verdict(case, wave, Run(bad, 0.001, USE)).word == "fail"
    assert Verdict(case, wave, Run(good, 1.0, USE)).word == "void"


async def test_arrivals_are_fired_in_order_and_on_time() -> None:
    fired: list[tuple[float, float]] = []
    times = [0.0, 0.01, 0.01, 0.03]
    began = time.monotonic()
    await pace(times, lambda due: fired.append((due, time.monotonic())))
    assert [round(due - began, 2) for due, _ in fired] == times
    assert all(0 <= at - due < 1 for due, at in fired)


def test_a_persons_draws_repeat_for_a_seed_and_are_spread_evenly() -> None:
    [first, second] = itertools.islice(people(random.Random(1)), 2)

    def drawn(seed: int, person: Person) -> list[float]:
        draws = Draws(seed, person)
        return [draws.uniform(5, 12) for _ in range(2000)]

    assert drawn(1, first) == drawn(1, first)
    assert len({drawn(1, first)[0], drawn(2, first)[0], drawn(1, second)[0]}) == 3
    assert all(5 <= one < 12 for one in drawn(1, first))
    assert 8.3 < sum(drawn(1, first)) / 2000 < 8.7
