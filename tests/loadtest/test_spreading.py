"""Several generator processes make one recording, as if one had made it."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Generator, Happening, Recording, Sample
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.shapes.times import poisson
from hodhod_loadtest.spreading.coordinator import PartMissing, spread
from hodhod_loadtest.spreading.merging import merged
from hodhod_loadtest.spreading.share import Share
from tests import running

CHILD = """
import random, sys, time
from pathlib import Path
from hodhod_loadtest.recording.model import Generator, Recording
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.shapes.times import poisson
from hodhod_loadtest.spreading.share import Share

share, begin_s, file = Share.parse(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
if share.number == int(sys.argv[4]):
    sys.exit(3)
late_s = time.monotonic() - begin_s
time.sleep(max(0.0, -late_s))
recorder = Recorder(lambda: begin_s)
for due_s in share.take(poisson(Curve.constant(100, 5), random.Random(1))):
    recorder.note("message", begin_s + due_s, begin_s + due_s + due_s / 100)
    recorder.count("messages.written")
recording = Recording(scenario="chat", seed=1, command="", started_at="", seconds=5)
recording.generator = Generator(lag_p99_ms=1.0 + share.number, cpu_s=0.5)
recorder.finish(recording).write(file)
"""


def recorded(share: Share) -> Recording:
    """What `CHILD` does, here."""
    recorder = Recorder(lambda: 0.0)
    for due_s in share.take(poisson(Curve.constant(100, 5), random.Random(1))):
        recorder.note("message", due_s, due_s + due_s / 100)
        recorder.count("messages.written")
    recording = Recording(scenario="chat", seed=1, command="", started_at="", seconds=5)
    return recorder.finish(recording)


@given(st.lists(st.integers()), st.integers(1, 7))
def test_all_shares_together_are_the_whole(items: list[int], of: int) -> None:
    taken = [list(Share(number, of).take(items)) for number in range(of)]
    assert sorted(item for each in taken for item in each) == sorted(items)
    assert max(map(len, taken)) - min(map(len, taken)) <= 1


@pytest.mark.parametrize("text", ["4/4", "-1/4", "1", "x/2", "0/0"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"share|invalid"):
        Share.parse(text)


def test_merged_parts_are_the_recording_of_one_process() -> None:
    whole, parts = recorded(Share(0, 1)), [recorded(Share(number, 3)) for number in range(3)]
    parts[0].generator = Generator(lag_p99_ms=0.4, cpu_s=2.0)
    parts[2].generator = Generator(lag_p99_ms=9.0, cpu_s=3.0, is_valid=False, why="late")
    parts[1].server = {"gateway": [Sample(at_s=1.0, cpu_s=0.2, rss_kib=9)]}
    parts[1].happenings = [Happening(4.0, "fault", "kill")]
    parts[2].happenings = [Happening(2.0, "breaker", "open")]
    parts[2].violations = ["lost"]
    found = merged(parts)

    assert found.counts == whole.counts
    assert [(piece.at_s, piece.count) for piece in found.latencies["message"]] == [
        (piece.at_s, piece.count) for piece in whole.latencies["message"]
    ]
    for share in (50.0, 99.0, 100.0):
        assert percentile(found, share) == percentile(whole, share)
    assert found.generator == Generator(
        lag_p99_ms=9.0, cpu_s=5.0, processes=2, is_valid=False, why="late"
    )
    assert found.server == parts[1].server
    assert [happening.at_s for happening in found.happenings] == [2.0, 4.0]
    assert found.violations == ["lost"]


def percentile(recording: Recording, share: float) -> int:
    total = histograms.summed(piece.histogram for piece in recording.latencies["message"])
    return int(total.get_value_at_percentile(share))


def test_parts_of_different_runs_are_not_merged() -> None:
    other = Recording(scenario="chat", seed=2, command="", started_at="", seconds=5)
    with pytest.raises(ValueError, match="one run"):
        merged([recorded(Share(0, 1)), other])


async def test_processes_begin_together_and_leave_one_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    begins: set[float] = set()

    def command(share: Share, begin_s: float, file: Path) -> list[str]:
        begins.add(begin_s)
        return [sys.executable, "-c", CHILD, str(share), str(begin_s), str(file), "-1"]

    async with asyncio.timeout(40):
        found = await spread(command, 2, tmp_path / "parts", start_s=1.0)
    assert len(begins) == 1
    assert time.monotonic() > begins.pop()
    assert found.counts == recorded(Share(0, 1)).counts
    assert found.generator is not None
    assert (found.generator.processes, found.generator.lag_p99_ms) == (2, 2.0)


async def test_a_run_of_which_a_part_is_missing_is_none(tmp_path: Path) -> None:
    def command(share: Share, begin_s: float, file: Path) -> list[str]:
        lingering = "import sys, time; sys.exit(3) if sys.argv[1] == '1/2' else time.sleep(50)"
        return [sys.executable, "-c", lingering, str(share)]

    began_s = time.monotonic()
    with pytest.raises(PartMissing, match="generator 1/2 ended with 3"):
        await spread(command, 2, tmp_path)
    assert time.monotonic() - began_s < 30
