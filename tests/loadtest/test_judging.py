"""Verdicts on recordings: what is measured, how sure it is, and what broke first."""

from __future__ import annotations

import itertools
import math
import random
import time
from array import array
from pathlib import Path

import msgspec
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hodhod_loadtest.judging import latencies, measures
from hodhod_loadtest.judging.bootstrap import Blocks, interval
from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.latencies import Latencies
from hodhod_loadtest.judging.measures import MEASURES, UnknownMeasure
from hodhod_loadtest.judging.verdict import evidences, find_measured, judge, summary
from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Generator, Slice, Slo
from tests.synthetic_recordings import SLOS, control, full, recording, slices

SURGE = Slo(name="p99 ratio", measure="message.p99_ratio", goal=1.25)


def slice_of(at_s: int, values_us: list[int]) -> Slice:
    encoded = histograms.encode(histograms.folded(array("q", values_us)))
    return Slice(at_s, len(values_us), encoded)


@given(
    st.lists(st.lists(st.integers(1, 10**9), min_size=1, max_size=30), min_size=1, max_size=6),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 0.999, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_a_quantile_is_the_one_of_all_values_to_three_digits(
    seconds: list[list[int]], share: float
) -> None:
    pieces = [slice_of(at_s, values) for at_s, values in enumerate(seconds)]
    told = latencies.read(pieces, len(pieces), int, None)
    ordered = sorted(itertools.chain.from_iterable(seconds))
    exact = ordered[math.ceil(share * len(ordered) - 1e-6) - 1]
    assert told.quantile_us(share) == histograms.empty().get_highest_equivalent_value(exact)
    assert told.total == sum(map(len, seconds))


def test_whoever_never_had_an_answer_counts_as_waiting_for_ever() -> None:
    told = full(seconds=100)
    told.counts["arrived.newcomers"] = [
        (at_s, 2 * n) for at_s, n in told.counts["arrived.newcomers"]
    ]
    evidence = Evidence(told)
    late = measures.named("code.p95_s").of(evidence)
    share = measures.named("signups.in_share").of(evidence)
    assert late is not None
    assert late.measured == float("inf")
    assert share is not None
    assert share.measured == pytest.approx(0.5)
    assert share.bounds == pytest.approx((0.5, 0.5), abs=0.01)


def test_whoever_is_counted_a_second_after_they_were_due_is_not_missing() -> None:
    told = full(seconds=100)
    told.counts["arrived.newcomers"] = [
        (at_s + 1, n) for at_s, n in told.counts["arrived.newcomers"]
    ]
    share = measures.named("signups.in_share").of(Evidence(told))
    assert share is not None
    assert share.measured == 1.0
    assert share.bounds == (1.0, 1.0)


def test_quantiles_of_resamplings_are_exact_though_few_columns_are_summed() -> None:
    told = latencies.read(slices(40, 30, lambda at_s: 5 + at_s, random.Random(4)), 40, int, None)
    blocks = Blocks([25, 15], 1, numpy.random.default_rng(1), 50)
    draws = blocks.quantiles_us(told, 0.9)
    sums = blocks.sums(told.counts)
    expected = [
        told.values_us[numpy.searchsorted(numpy.cumsum(row), 0.9 * row.sum() - 1e-6)]
        for row in sums
    ]
    assert draws.tolist() == expected


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    """The median wanders, so a bootstrap of single messages would cover far less."""
    draws = numpy.random.default_rng(20)
    truth = _wandering(draws, 20_000).quantile_us(0.9)
    covered, trials = 0, 80
    for trial in range(trials):
        blocks = Blocks([120], 1, numpy.random.default_rng(trial), 200)
        seen = _wandering(draws, 120)
        measured = seen.quantile_us(0.9)
        low, high = interval(blocks.widened(blocks.quantiles_us(seen, 0.9), measured))
        covered += bool(low <= truth <= high)
    assert 0.85 * trials <= covered


def _wandering(draws: numpy.random.Generator, seconds: int) -> Latencies:
    """Forty a second, around a median that is much like the one of the second before."""
    wander, medians = 0.0, []
    for step in draws.normal(0, 0.1, seconds):
        wander = 0.7 * wander + step
        medians.append(wander)
    told = numpy.exp(draws.normal(0, 0.4, (seconds, 40)) + numpy.array(medians)[:, None])
    columns = numpy.clip((50 * numpy.log(told)).round().astype(int) + 100, 0, 199)
    counts = numpy.zeros((seconds, 200))
    for row in range(seconds):
        counts[row] = numpy.bincount(columns[row], minlength=200)
    return Latencies(numpy.arange(200.0), counts, numpy.zeros(seconds))


def test_the_same_recording_is_judged_the_same_twice() -> None:
    told = recording(seed=3, seconds=120, damage=1.1)
    assert judge(told, [SURGE]) == judge(told, [SURGE])


def test_a_ratio_is_judged_at_the_upper_end() -> None:
    told = recording(seed=5, damage=1.2)
    [finding] = judge(told, [SURGE]).findings
    assert finding.measured is not None
    assert finding.low is not None
    assert finding.high is not None
    assert 1.0 < finding.low < finding.measured < finding.high < 1.4
    for goal, word in ((finding.high * 1.001, "pass"), (finding.high * 0.999, "fail")):
        slo = Slo(name="p99 ratio", measure="message.p99_ratio", goal=goal)
        assert judge(told, [slo]).word == word


def test_a_late_generator_voids_even_a_run_that_kept_all() -> None:
    told = recording(seconds=60)
    told.generator = Generator(lag_p99_ms=80, cpu_s=60, is_valid=False, why="late by 80 ms")
    verdict = judge(told)
    assert verdict.word == "void"
    assert verdict.why == "late by 80 ms"


def test_what_nobody_recorded_is_no_goal_kept() -> None:
    told = recording(seconds=60)
    told.counts = {}
    verdict = judge(told, [Slo(name="lost", measure="messages.lost", goal=0)])
    assert verdict.word == "fail"
    assert verdict.findings[0].measured is None


def test_a_violation_fails_a_run_whose_goals_were_all_kept() -> None:
    told = recording(seconds=60)
    told.violations = ["lost: chat 4, seq 17"]
    assert judge(told, []).word == "fail"


def test_an_unknown_measure_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownMeasure, match=r"message\.p99_ratio"):
        measures.named("message.p99ratio")
    assert measures.named("message.p99_ms@recovery").at == "recovery"


def test_every_measure_says_what_it_is_and_reads_a_full_recording() -> None:
    evidence = Evidence(full(seconds=100), resamples=50)
    assert all(measure.about.endswith(".") for measure in MEASURES.values())
    silent = [name for name, measure in MEASURES.items() if measure.of(evidence) is None]
    absent = ("upload", "server.", "reconnect.", "capacity.")
    calm = [name for name in silent if not name.startswith(absent)]
    assert all(name.endswith("_ratio") for name in calm), "who comes in a surge has no baseline"


def test_a_measure_alone_needs_no_draws() -> None:
    told = full(seconds=100)
    verdict = judge(told)
    for finding in verdict.findings:
        assert find_measured(told, finding.slo.measure) == finding.measured


def test_what_broke_first_is_told_with_its_moment() -> None:
    own, beside = full(), control()
    own.control = beside
    verdict = judge(own)
    assert verdict.word == "pass", verdict.broken
    assert verdict.is_control_broken
    assert [item.what for item in verdict.breaks] == ["provider"]
    broken = judge(beside)
    assert broken.word == "fail"
    surge = beside.phases[2]
    assert {item.what for item in broken.breaks} >= {"goal", "loop_lag", "pool_wait"}
    assert all(surge.from_s - 5 <= item.at_s < surge.to_s for item in broken.breaks)
    assert broken.breaks == sorted(broken.breaks, key=lambda item: item.at_s)


def test_the_summary_has_every_member_of_the_interface(tmp_path: Path) -> None:
    told = full(seconds=100)
    told.control = control(seconds=100)
    summary(*evidences(told), judge(told)).write(tmp_path / "run" / "summary.json")
    read = msgspec.json.decode((tmp_path / "run" / "summary.json").read_bytes())
    assert read["verdict"] in ("pass", "fail")
    assert [slo["name"] for slo in read["slos"]] == [slo.name for slo in SLOS]
    assert set(read["slos"][0]) == {"name", "goal", "measured", "low", "high", "ok"}
    assert read["lost"] == 0
    assert read["signups"] == told.total("in.newcomers")
    assert read["p99_ratio_upper"] > 1
    assert read["negative_control_ratio"] > 5
    assert read["command"].startswith("hodhod-loadtest run")


def test_twenty_minutes_are_judged_in_moments() -> None:
    """Half of the slices are the same text, since making them takes longer than judging them."""
    short = recording(seconds=300, per_s=300)
    pieces = short.latencies["message"]
    told = recording(seconds=1_200, per_s=0)
    told.latencies["message"] = [
        Slice(at_s, piece.count, piece.histogram) for at_s, piece in enumerate(pieces * 4)
    ]
    began = time.process_time()
    judge(told)
    assert time.process_time() - began < 6  # two cores' worth of two seconds, and a slow machine
