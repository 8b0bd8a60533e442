"""Curves of arrivals: what holds for every one, and the shapes that scenarios name."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.shapes.times import even, poisson

RATES = some.floats(0, 20, allow_subnormal=False).map(lambda rate: 0.0 if rate < 1e-3 else rate)
STEPS = some.floats(0.5, 10)


@some.composite
def curves(draw: some.DrawFn) -> Curve:
    """Points at rising times, some with a jump."""
    at_s, points = 0.0, [(0.0, draw(RATES))]
    for step_s, rate, jumps in draw(
        some.lists(some.tuples(STEPS, RATES, some.booleans()), min_size=1, max_size=6)
    ):
        at_s += step_s
        points.append((at_s, rate))
        if jumps:
            points.append((at_s, draw(RATES)))
    return Curve(points)


@given(curves(), some.floats(0, 1))
def test_what_is_expected_by_a_moment_is_reached_at_that_moment(curve: Curve, share: float) -> None:
    count = share * curve.total
    at_s = curve.reaches(count)
    assert 0 <= at_s <= curve.seconds
    assert curve.expected(at_s) == pytest.approx(count, rel=1e-6, abs=1e-4)


@given(curves(), some.lists(some.floats(0, 1), min_size=2, max_size=10).map(sorted))
def test_nobody_who_has_come_goes_back(curve: Curve, shares: list[float]) -> None:
    sums = [curve.expected(share * curve.seconds) for share in shares]
    assert all(one <= other + 1e-9 for one, other in itertools.pairwise(sums))


@given(curves(), some.integers(0, 2**32))
def test_as_many_come_as_the_curve_says_in_order_and_in_time(curve: Curve, seed: int) -> None:
    for times_s in (list(even(curve)), list(poisson(curve, random.Random(seed)))):
        assert len(times_s) == round(curve.total)
        assert times_s == sorted(times_s)
        assert all(0 <= at_s <= curve.seconds for at_s in times_s)


@given(curves(), some.floats(0.01, 2), some.floats(0.01, 2))
def test_a_squeezed_curve_has_its_people_in_its_time(
    curve: Curve, people: float, time: float
) -> None:
    squeezed = curve.squeezed(people, time)
    assert squeezed.total == pytest.approx(curve.total * people)
    assert squeezed.seconds == pytest.approx(curve.seconds * time)


def test_evenly_spaced_is_evenly_spaced() -> None:
    assert list(even(Curve.constant(4, 2))) == pytest.approx(
        [0.125, 0.375, 0.625, 0.875, 1.125, 1.375, 1.625, 1.875]
    )


def test_three_of_five_come_in_the_first_third() -> None:
    curve = Curve.front_loaded(60_000, 600)
    assert curve.total == pytest.approx(60_000)
    assert curve.peak_per_s == pytest.approx(180)
    assert curve.expected(200) == pytest.approx(36_000)


def test_a_spike_is_there_for_its_time_only() -> None:
    curve = Curve.spike(10, 100, 60, at_s=20, for_s=5)
    assert [curve.per_s(at_s) for at_s in (0, 19.9, 20, 24.9, 25, 59, 61)] == pytest.approx(
        [10, 10, 100, 100, 10, 10, 0]
    )


def test_a_recorded_curve_brings_as_many_in_each_interval() -> None:
    curve = Curve.replay([30, 0, 90], every_s=10)
    assert [curve.expected(at_s) for at_s in (10, 20, 30)] == pytest.approx([30, 30, 120])
    times_s = list(poisson(curve, random.Random(1)))
    assert not [at_s for at_s in times_s if 10 < at_s < 20]


def test_chance_spreads_as_a_poisson_process_does() -> None:
    curve, chance = Curve.constant(50, 1000), random.Random(3)
    gaps_s = [b - a for a, b in itertools.pairwise(poisson(curve, chance))]
    mean_s = sum(gaps_s) / len(gaps_s)
    spread = sum((gap - mean_s) ** 2 for gap in gaps_s) / len(gaps_s) / mean_s**2
    assert mean_s == pytest.approx(0.02, rel=0.02)
    assert spread == pytest.approx(1.0, rel=0.05)  # exponential gaps: standard deviation = mean


@pytest.mark.parametrize(
    "points",
    [[], [(0, 1)], [(1, 1), (2, 1)], [(0, -1), (1, 1)], [(0, 1), (0, 2)], [(0, 1), (5, 1), (4, 1)],
     [(0, float("nan")), (1, 1)]],
)  # fmt: skip
def test_what_is_no_curve_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=r"curve|rate"):
        Curve(points)
