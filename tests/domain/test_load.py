"""From measured delays to levels, waits and times to come back: arithmetic without a clock."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.load import (
    DrainRate,
    Ladder,
    Level,
    Recent,
    Refusals,
    Spread,
    StandingDelay,
)

THRESHOLDS_S = (0.02, 0.05, 0.1)
CALM_S = 5.0
delays = st.floats(0.0, 0.5)
steps = st.floats(0.001, 3.0)


def ladder() -> Ladder:
    return Ladder(THRESHOLDS_S, CALM_S)


@given(st.lists(delays, max_size=30), delays)
def test_the_level_is_never_below_what_the_delay_asks_for(before: list[float], now: float) -> None:
    steps_up = ladder()
    for second, delay_s in enumerate(before):
        steps_up.observe(delay_s, second)
    level = steps_up.observe(now, len(before))
    assert level >= sum(now > threshold_s for threshold_s in THRESHOLDS_S)


@given(st.lists(st.tuples(delays, steps), min_size=1, max_size=60))
def test_a_level_is_left_only_after_five_seconds_below_half_of_its_delay(
    measured: list[tuple[float, float]],
) -> None:
    steps_down, now_s, seen = ladder(), 0.0, list[tuple[float, float, Level]]()
    for delay_s, step_s in measured:
        now_s += step_s
        seen.append((now_s, delay_s, steps_down.observe(delay_s, now_s)))
    for (_, _, before), (left_s, _, after) in pairwise(seen):
        for rung in range(after, before):
            loud = [
                at_s
                for at_s, delay_s, _ in seen
                if at_s <= left_s and delay_s >= THRESHOLDS_S[rung] / 2
            ]
            assert left_s - max(loud) >= CALM_S


@given(delays, st.lists(steps, min_size=1, max_size=30))
def test_calm_is_reached_within_the_calm_time(peak_s: float, pauses: list[float]) -> None:
    one, now_s = ladder(), 0.0
    one.observe(peak_s, now_s)
    for pause_s in pauses:
        now_s += pause_s
        level = one.observe(0.0, now_s)
        assert level == Level.CALM or now_s < CALM_S


@given(st.lists(st.floats(0, 10), min_size=10, max_size=200))
def test_nine_in_ten_values_are_at_most_the_p90(values: list[float]) -> None:
    recent = Recent(window_s=1e9, values_min=10)
    for second, value in enumerate(values):
        recent.add(value, second)
    p90 = recent.p90()
    assert p90 in values
    assert sum(value <= p90 for value in values) >= 0.9 * len(values)
    assert sum(value >= p90 for value in values) >= 0.1 * len(values)


def test_a_single_stall_is_no_load_and_a_lasting_lag_is() -> None:
    recent = Recent(window_s=1.0, values_min=10)
    for number in range(50):
        recent.add(0.001, number * 0.02)
    recent.add(3.0, 4.0)
    assert recent.p90() == 0.001
    for number in range(20):
        recent.add(0.07, 4.1 + number * 0.09)
    assert recent.p90() == 0.07


@given(st.lists(st.floats(0.006, 1.0), min_size=2, max_size=50))
def test_a_queue_stands_when_nobody_was_served_soon_for_an_interval(waits: list[float]) -> None:
    queue = StandingDelay(0.005, 0.1)
    for number, wait_s in enumerate(waits):
        queue.observe(wait_s, number * 0.03)
        assert queue.is_standing(number * 0.03) == (number * 0.03 >= 0.1)
    last_s = len(waits) * 0.03
    assert not queue.is_standing(last_s + 2.0), "nothing was seen for long"
    queue.observe(0.001, last_s)
    assert not queue.is_standing(last_s)


@given(st.integers(20, 500), st.floats(0.1, 10), st.floats(0.1, 20))
def test_times_to_come_back_lie_evenly(count: int, low_s: float, width_s: float) -> None:
    spread = Spread()
    times = [spread.between(low_s, low_s + width_s) for _ in range(count)]
    assert all(low_s - 0.05 <= time_s <= low_s + width_s + 0.05 for time_s in times)
    for quarter in range(4):
        within = (low_s + width_s * quarter / 4 - 0.05, low_s + width_s * (quarter + 1) / 4 + 0.05)
        assert sum(within[0] <= time_s <= within[1] for time_s in times) >= count / 4 * 0.7


@given(st.floats(100, 10_000), st.integers(1, 1000), st.integers(0, 50_000))
def test_who_is_refused_comes_back_when_the_queue_is_served(
    rows_per_s: float, batch: int, waiting: int
) -> None:
    drain, now_s = DrainRate(), 0.0
    for _ in range(50):
        drain.note(batch, now_s)
        now_s += min(0.5, batch / rows_per_s)
    needed_s = waiting * min(0.5, batch / rows_per_s) / batch
    answer_s = drain.retry_after_s(waiting)
    assert min(10.0, max(0.5, needed_s)) * 0.95 - 0.1 <= answer_s
    assert answer_s <= 2 * min(10.0, max(0.5, needed_s)) * 1.05 + 0.1


def test_before_anything_was_served_a_time_is_told_all_the_same() -> None:
    assert 0.5 <= DrainRate().retry_after_s(10_000) <= 1.0


def test_those_who_are_refused_by_the_thousand_are_told_to_stay_away_longer() -> None:
    refusals = Refusals()
    assert {refusals.note(100.5) for _ in range(3_000)} == {1.0}
    assert {refusals.note(101.5) for _ in range(3_000)} == {15.0}
    assert {refusals.note(102.5) for _ in range(50)} == {20.0}, "and no longer than that"
    assert refusals.note(103.5) == 5.0
    assert refusals.note(200.0) == 1.0
