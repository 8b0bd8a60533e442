"""What a wave comes to is counted as people feel it."""

from __future__ import annotations

import math
import random

import pytest

from hodhod_loadtest.bench.accounting import Use
from hodhod_loadtest.signups.arrivals import FrontLoaded
from hodhod_loadtest.signups.cases import CASES
from hodhod_loadtest.signups.journey import Account
from hodhod_loadtest.signups.outcome import Outcome
from hodhod_loadtest.signups.verdict import Verdict
from hodhod_loadtest.signups.wave import Run, Wave

USE = Use(wall_s=1.0, server_s={}, generator_s=0.0, busy_s=0.0)


def _came(code_s: float | None, in_s: float | None, due_s: float = 100.0) -> Account:
    account = Account(due_s)
    account.code_s = None if code_s is None else due_s + code_s
    account.in_s = None if in_s is None else due_s + in_s
    return account


def test_three_of_five_come_in_the_first_third() -> None:
    times = list(FrontLoaded(6000, 600).times_s(random.Random(1)))
    assert times == sorted(times)
    assert sum(time < 200 for time in times) == 3600
    assert len(times) == 6000
    assert times[-1] < 600
    assert FrontLoaded(60_000, 600).peak_per_s == pytest.approx(180)


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
    good = Outcome([_came(4, 12)] * 100, {"first": 110})
    bad = Outcome([_came(4, 12)] * 90 + [_came(None, None)] * 10, {"first": 110})
    case = CASES["healthy"]
    assert Verdict(case, wave, Run(good, 0.001, USE)).word == "pass"
    assert Verdict(case, wave, Run(bad, 0.001, USE)).word == "fail"
    assert Verdict(case, wave, Run(good, 1.0, USE)).word == "void"
