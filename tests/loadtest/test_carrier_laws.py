"""Simulated carriers keep to their laws, and a seed repeats them."""

from __future__ import annotations

import random
import statistics

from hodhod_loadtest.carriers.law import Answer, Carrier, Fate, Law, Span


def _fates(law: Law, count: int = 4000, per_s: float = 100.0, seed: int = 1) -> list[Fate]:
    carrier = Carrier(law, random.Random(seed))
    return [carrier.decide(number / per_s) for number in range(count)]


def test_a_seed_repeats_everything() -> None:
    assert _fates(Law(), seed=7) == _fates(Law(), seed=7)
    assert _fates(Law(), seed=7) != _fates(Law(), seed=8)


def test_a_healthy_carrier_is_quick_loses_some_and_is_late_with_a_few() -> None:
    fates = _fates(Law())
    delays = [fate.arrives_in_s for fate in fates if fate.arrives_in_s is not None]
    assert 0.04 < 1 - len(delays) / len(fates) < 0.06
    assert 3.7 < statistics.median(delays) < 4.4
    assert 0.02 < sum(delay > 40 for delay in delays) / len(delays) < 0.04


def test_a_silent_carrier_takes_everything_and_delivers_nothing_in_its_time() -> None:
    fates = _fates(Law(silent=(Span(10, 20),), lying=1.0, lost=0.0))
    assert {fate.answer for fate in fates} == {Answer.TAKEN}
    silent = fates[1000:2000]
    assert all(fate.arrives_in_s is None for fate in silent)
    assert all(fate.is_told_delivered for fate in silent), "it lies about every one"
    assert all(fate.arrives_in_s is not None for fate in fates[:1000] + fates[2000:])


def test_an_honest_carrier_gives_no_receipt_for_what_is_lost() -> None:
    fates = _fates(Law(lost=1.0))
    assert not any(fate.is_told_delivered for fate in fates)


def test_more_than_was_agreed_is_throttled() -> None:
    fates = _fates(Law(rate_per_s=25.0))
    taken = sum(fate.answer is Answer.TAKEN for fate in fates)
    assert 950 < taken < 1060, "a quarter of a hundred a second for forty seconds"


def test_credit_ends() -> None:
    answers = [fate.answer for fate in _fates(Law(credit=10), count=20)]
    assert answers == [Answer.TAKEN] * 10 + [Answer.NO_CREDIT] * 10


def test_a_broken_carrier_says_so() -> None:
    fates = _fates(Law(broken=(Span(0, 1),)), count=200)
    assert [fate.answer for fate in fates[:100]] == [Answer.BROKEN] * 100
    assert {fate.answer for fate in fates[100:]} == {Answer.TAKEN}
