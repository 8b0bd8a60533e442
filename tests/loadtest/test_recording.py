"""The recording of a run: cheap to take, lossless to three digits, one file."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import msgspec
import pytest
from hdrh.histogram import HdrHistogram

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import (
    Generator,
    Phase,
    Recording,
    RecordingUnreadable,
    Sample,
    Slo,
)
from hodhod_loadtest.recording.recorder import SETTLED_S, Recorder


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def recording(**members: object) -> Recording:
    short = Recording(
        scenario="test", seed=1, command="hodhod-loadtest …", started_at="2026-11-23", seconds=60.0
    )
    return msgspec.structs.replace(short, **members)


def test_folding_at_once_is_the_same_as_recording_each() -> None:
    chance = random.Random(5)
    values = [round(chance.lognormvariate(8, 3)) for _ in range(20_000)]
    each = HdrHistogram(histograms.LEAST_US, histograms.MOST_US, histograms.DIGITS)
    for value in values:
        each.record_value(min(max(value, histograms.LEAST_US), histograms.MOST_US))
    folded = histograms.folded(array("q", values))
    for percent in (0, 1, 25, 50, 90, 99, 99.9, 100):
        assert folded.get_value_at_percentile(percent) == each.get_value_at_percentile(percent)
    assert folded.get_total_count() == len(values)


def test_a_latency_belongs_to_the_second_it_was_due_in() -> None:
    clock = Clock()
    recorder = Recorder(clock)
    recorder.note("message", 100.2, 100.21)
    recorder.note("message", 101.0, 131.0)  # thirty seconds late is told in the second it was due
    clock.now_s = 101.5 + SETTLED_S
    recorder.fold()
    recorder.note("message", 100.9, 132.9)  # later than folded: added
    told = recorder.finish(recording()).latencies["message"]
    assert [(piece.at_s, piece.count) for piece in told] == [(0, 2), (1, 1)]
    both = histograms.summed(piece.histogram for piece in told)
    assert both.get_value_at_percentile(100) == pytest.approx(32_000_000, rel=0.001)
    assert both.get_value_at_percentile(1) == pytest.approx(10_000, rel=0.001)


def test_counts_and_happenings_are_told_by_second() -> None:
    clock = Clock()
    recorder = Recorder(clock)
    recorder.count("arrived.newcomers")
    clock.now_s = 102.5
    recorder.count("arrived.newcomers", 3)
    recorder.happened("fault", "kill -9 gateway-0")
    told = recorder.finish(recording())
    assert told.counts["arrived.newcomers"] == [(0, 1), (2, 3)]
    assert told.total("arrived.newcomers") == 4
    assert told.happenings[0].at_s == 2.5


def test_promises_stay_bounded() -> None:
    recorder = Recorder(Clock())
    for number in range(80_000):
        recorder.promised(float(number), 1.0)
    assert len(recorder.promises) == 5_000
    assert max(promise.promised_s for promise in recorder.promises) > 70_000


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recorder = Recorder(Clock())
    recorder.note("code", 100.0, 104.0)
    recorder.server["gateway"].append(Sample(at_s=1.0, cpu_s=0.4, rss_kib=70_000))
    told = recorder.finish(
        recording(
            phases=[Phase("quiet", "baseline", 0, 30)],
            slos=[Slo(name="p99", measure="message.p99_ms", goal=20)],
            generator=Generator(lag_p99_ms=0.4, cpu_s=3.0),
            control=recording(),
        )
    )
    path = tmp_path / "run" / "recording.json"
    told.write(path)
    assert Recording.read(path) == told
    assert [one.name for one in path.parent.iterdir()] == ["recording.json"]


@pytest.mark.parametrize("text", ["", "{}", '{"scenario": 1}', "\udcff"])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recording.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RecordingUnreadable):
        Recording.read(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    told = recording(version=99)
    told.write(tmp_path / "recording.json")
    with pytest.raises(RecordingUnreadable, match="version 99"):
        Recording.read(tmp_path / "recording.json")
