"""Counting in windows: bounds that hold whatever happens, and sums that do not depend on order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.counting import (
    Baselines,
    Conversions,
    Counts,
    Forgetful,
    merge,
    pack,
    unpack,
)

WINDOW_S = 60.0
COUNT = st.integers(0, 50)
PACKED = st.builds(pack, st.integers(0, 4), COUNT, COUNT)
STEPS = st.lists(st.floats(0, 90, allow_nan=False), max_size=80)


@given(PACKED, PACKED, PACKED)
def test_what_processes_have_counted_adds_up_in_any_order(a: int, b: int, c: int) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(PACKED)
def test_nothing_counted_changes_nothing(a: int) -> None:
    index = a >> 40
    assert merge(a, pack(index, 0, 0)) == a


@given(PACKED, st.integers(0, 8))
def test_a_count_is_gone_after_two_windows(packed: int, later: int) -> None:
    index = packed >> 40
    before, now = unpack(packed, index + later)
    if later >= 2:
        assert (before, now) == (0, 0)
    if later == 1:
        assert (before, now) == (packed & 0xFFFFF, 0)


@given(STEPS)
def test_an_estimate_is_between_this_window_and_both(steps: list[float]) -> None:
    counts, now_s, moments = Counts(WINDOW_S, 10), 0.0, list[float]()
    for step in steps:
        now_s += step
        counts.add(1, now_s)
        moments.append(now_s)
        this = int(now_s // WINDOW_S)
        sharp = sum(moment // WINDOW_S == this for moment in moments)
        wide = sum(moment // WINDOW_S >= this - 1 for moment in moments)
        assert sharp <= counts.estimate(1, now_s) <= wide


@given(STEPS, st.integers(1, 5))
def test_who_waits_as_long_as_told_is_let_in_and_who_comes_a_little_earlier_is_not(
    steps: list[float], limit: int
) -> None:
    counts, now_s = Counts(WINDOW_S, 10), 0.0
    for step in steps:
        now_s += step
        wait_s = counts.free_in_s(1, now_s, limit)
        assert 0.0 <= wait_s <= 2 * WINDOW_S
        if wait_s == 0.0:
            counts.add(1, now_s)
            continue
        assert counts.estimate(1, now_s + wait_s + 1e-6) + 1 <= limit + 1e-6
        if wait_s > 0.01:
            assert counts.estimate(1, now_s + wait_s - 0.01) + 1 > limit


@given(STEPS, st.integers(1, 5))
def test_no_aligned_window_and_no_sliding_one_holds_much_more_than_the_limit(
    steps: list[float], limit: int
) -> None:
    counts, now_s, let_in = Counts(WINDOW_S, 10), 0.0, list[float]()
    for step in steps:
        now_s += step / 5
        if counts.free_in_s(1, now_s, limit) == 0.0:
            counts.add(1, now_s)
            let_in.append(now_s)
    for began in let_in:
        assert sum(began <= moment < began + WINDOW_S for moment in let_in) <= 2 * limit
        index = began // WINDOW_S
        assert sum(moment // WINDOW_S == index for moment in let_in) <= limit


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=200))
def test_a_map_never_outgrows_its_bound_and_keeps_what_was_seen_last(
    writes: list[tuple[int, int]],
) -> None:
    kept = Forgetful(4)
    for key, value in writes:
        kept.put(key, value)
        assert len(kept) <= 8
        assert kept.find(key) == value
    newest = list(dict.fromkeys(key for key, _ in reversed(writes)))[:4]
    last = dict(writes)
    assert all(kept.find(key) == last[key] for key in newest)


@given(st.integers(0, 20), st.integers(0, 30), st.integers(0, 20))
def test_forgiveness_ends_at_zero(before: int, amount: int, now: int) -> None:
    counts = Counts(WINDOW_S, 10)
    if before:
        counts.add(1, 0.0, before)
    if now:
        counts.add(1, WINDOW_S, now)
    counts.forgive(1, WINDOW_S, amount)
    assert counts.estimate(1, WINDOW_S) == max(0, before + now - amount)


def test_what_one_process_shares_another_adds_once_however_often_it_hears_it() -> None:
    one, other = Counts(WINDOW_S, 10), Counts(WINDOW_S, 10)
    one.add(7, 1.0, 3)
    other.add(7, 1.0, 2)
    for _ in range(3):
        other.learn([one.shared()])
    assert other.estimate(7, 1.0) == 5
    assert one.estimate(7, 1.0) == 3


def test_a_successor_goes_on_where_the_process_stopped() -> None:
    one, successor = Counts(WINDOW_S, 10), Counts(WINDOW_S, 10)
    one.add(7, 1.0, 5)
    successor.restore(one.shared())
    assert successor.estimate(7, 2.0) == 5


def test_texts_are_judged_only_when_they_had_time_to_be_answered() -> None:
    texts = Conversions(10)
    for second in range(40):
        texts.note_sent(1, float(second))
    assert not texts.is_barren(1, 119.0, 30, 0.15)
    assert not texts.is_barren(1, 239.0, 30, 0.15)
    assert texts.is_barren(1, 241.0, 30, 0.15)
    for _ in range(6):
        texts.note_answered(1, 241.0)
    assert not texts.is_barren(1, 242.0, 30, 0.15)


def test_a_network_is_measured_by_what_is_usual_for_it() -> None:
    usual = Baselines(600.0, 10, usual_min=20.0)
    for window in range(60):
        for _ in range(300):
            usual.add(1, window * 600.0)
    assert usual.ratio(1, 59 * 600.0) < 1.2
    usual.add(2, 59 * 600.0, 300)
    assert usual.ratio(2, 59 * 600.0) == 15.0
