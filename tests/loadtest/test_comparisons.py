"""Two runs compared: what changed is found, what did not is not."""

from __future__ import annotations

import pytest

from hodhod_loadtest.judging.comparison import compare, holm
from tests.synthetic_recordings import full, recording


def test_two_runs_of_the_same_do_not_differ() -> None:
    told = compare(full(seed=11), full(seed=12))
    assert len(told.estimated) >= 12
    assert told.real == []


def test_a_run_does_not_differ_from_itself_though_its_draws_are_others() -> None:
    run = recording(seed=4, seconds=120)
    told = compare(run, run)
    assert told.real == []
    assert all(one.chance == 1.0 for one in told.estimated)
    assert all(one.low != one.high for one in told.estimated), "draws of its own for each side"


def test_what_became_slower_is_found_with_bounds_around_the_truth() -> None:
    a, b = recording(seed=21, seconds=200), recording(seed=22, seconds=200, damage=1.5)
    told = {one.measure: one for one in compare(a, b).differences}
    p99 = told["message.p99_ms"]
    assert p99.is_real
    assert p99.low is not None
    assert p99.high is not None
    assert 0 < p99.low < p99.b - p99.a < p99.high
    assert not told["messages.per_s"].is_real


def test_many_comparisons_ask_for_more_evidence() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([0.03] * 20) == [pytest.approx(0.6)] * 20
    assert holm([0.001, None, 0.04, 0.03]) == [
        pytest.approx(0.003),
        None,
        pytest.approx(0.06),
        pytest.approx(0.06),
    ]


def test_what_else_differs_is_told() -> None:
    a, b = full(seconds=100), full(seconds=100)
    b.environment = b.environment | {"cores": 8, "kernel": a.environment["kernel"]}
    assert compare(a, b).setups == {"cores": ("2", "8")}
