"""A small rehearsal through a real server: a surge, a gateway that dies in it, and the control."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from hodhod_loadtest.judging.verdict import judge
from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.reporting.commands import lines
from hodhod_loadtest.reporting.report import write_report
from hodhod_loadtest.running.health import health
from hodhod_loadtest.running.rehearsal import Options, rehearse
from hodhod_loadtest.scenarios.loading import parse
from hodhod_loadtest.scenarios.model import Stopwatch
from hodhod_loadtest.watching.view import watch
from tests import running

pytestmark = pytest.mark.timeout(240)  # two servers, on two cores that others use as well
SURGE = """
about = "A minute's surge in seconds, with a gateway that dies in it."

[[phases]]
name = "quiet"
kind = "baseline"
seconds = 2

[[phases]]
name = "surge"
kind = "surge"
seconds = 4

[[crowds]]
who = "chatters"
pairs = 6
per_s = 60

[[crowds]]
who = "newcomers"
phases = ["surge"]
people = 60
typing_s = [0.2, 0.6]
mistyped = 0.1
persian_digits = 0.5
shape = { kind = "front_loaded" }

[[crowds]]
who = "returners"
phases = ["surge"]
people = 12

[[carriers]]
name = "first"
kind = "kavenegar"
spare = 4.0
law = { median_s = 0.3, slow = 0.0, lost = 0.0, receipt_s = 0.2 }

[[carriers]]
name = "second"
kind = "smsir"
spare = 4.0
listens = true
law = { median_s = 0.3, slow = 0.0, lost = 0.0, receipt_s = 0.2 }

[[faults]]
what = "link"
at_s = 0.5
for_s = 1
delay_ms = 5
cut_after_s = 0.4

[[faults]]
what = "kill"
whom = "gateway-0"
at_s = 3

[[faults]]
what = "pause"
whom = "valkey"
at_s = 4
for_s = 0.2
times = 2
every_s = 0.5

[[slos]]
name = "everybody is in"
measure = "signups.in_share"
goal = 1.0
is_most = false

[[slos]]
name = "everybody is back"
measure = "returns.in_share"
goal = 1.0
is_most = false

[[slos]]
name = "nothing is lost"
measure = "messages.lost"
goal = 0

# This machine may be busy with other tests; how late the generator was is not their subject.
[stopwatch]
lag_p99_ms_max = 10000
newcomers_lag_p99_ms_max = 10000

[control]
share = 0.5
"""

# Chats and files in numbers that two do not divide, and a group that nothing divides.
GROWTH = """
about = "More and more of everything that people inside do."

[[phases]]
name = "warm"
kind = "warm"
seconds = 1

[[crowds]]
who = "chatters"
pairs = 5
per_s = 40

[[crowds]]
who = "lurkers"
people = 9
members = 12
per_s = 4

[[crowds]]
who = "uploaders"
people = 3
per_s = 4
mib = 0.01
mib_per_s = 1

[growth]
factor = 1.5
step_s = 1
steps_max = 1

[[slos]]
name = "nothing is lost"
measure = "messages.lost"
goal = 0

[stopwatch]
lag_p99_ms_max = 10000
"""


async def _rehearsed(tmp_path: Path, file: str = SURGE, generators: int = 1) -> Recording:
    path = tmp_path / "small.toml"
    environment = running.environment()
    options = Options(name=str(path), out=tmp_path, environment=environment, generators=generators)
    said = io.StringIO()
    recording = await rehearse(parse(file.encode(), path.name), options, watch("small", said))
    assert "small" in said.getvalue()
    return recording


async def test_a_surge_is_played_recorded_and_judged(tmp_path: Path) -> None:
    recording = await _rehearsed(tmp_path)
    verdict = write_report(recording, tmp_path / "report.html")
    said = lines(verdict)
    assert verdict.word == "pass", said
    assert recording.total("in.newcomers") == recording.total("arrived.newcomers") == 60, said
    assert recording.total("in.returners") == 12, said
    assert recording.total("refused.code_wrong") > 0, "somebody mistypes"
    written = recording.total("messages.written")
    assert written in (359, 360, 361), "sixty a second"
    assert recording.total("messages.received") == written, "nothing got lost on the way"
    assert recording.total("messages.acknowledged") == written
    assert not recording.violations

    assert {"message", "ack", "reconnect"} <= set(recording.latencies)
    assert {"code", "signup", "return", "lag.inside", "lag.outside"} <= set(recording.latencies)
    assert sum(piece.count for piece in recording.latencies["message"]) in (359, 360, 361)
    assert {"gateway", "signup", "media", "worker", "postgres", "valkey"} <= set(recording.server)
    assert any(sample.loop_lag_p99_ms is not None for sample in recording.server["gateway"])
    assert sum(sample.cpu_s for sample in recording.server["postgres"]) > 0
    samples = [sample for role in recording.server.values() for sample in role]
    assert min(sample.cpu_s for sample in samples) >= 0, "though a gateway and its backends died"
    assert recording.providers["first"][-1].verified > 0
    assert [happening.what for happening in recording.happenings if happening.kind == "fault"] == [
        "the link is 5 ms late, cut after 0.4 s",
        "the link is good again",
        "SIGKILL to gateway-0",
        *(2 * ["valkey stands still", "valkey goes on"]),
    ]

    control = recording.control
    assert control is not None
    assert control.environment["one_process"] is True
    assert "all" in control.server
    assert control.total("arrived.newcomers") == 30

    recording.write(tmp_path / "recording.json")
    assert Recording.read(tmp_path / "recording.json") == recording
    told = json.loads((tmp_path / "summary.json").read_bytes())
    assert (told["verdict"], told["signups"], told["returns"], told["lost"]) == ("pass", 60, 12, 0)
    assert told["negative_control_ratio"] is not None

    assert recording.generator is not None
    assert recording.generator.lag_p99_ms > 0.01, "no generator is that punctual"
    recording.generator = health(recording, Stopwatch(lag_p99_ms_max=0.01), 1.0, 2)
    assert judge(recording).word == "void", "a generator that could not keep up"


async def test_two_generators_bring_what_one_would_and_leave_one_recording(tmp_path: Path) -> None:
    recording = await _rehearsed(tmp_path, GROWTH, generators=2)
    assert not recording.violations
    assert not {name for name in recording.counts if name.startswith(("error.", "refused."))}
    in_chats, posts, files = 40 + 40, 4 + 4, 4 + 4  # warm, and a step
    assert recording.total("messages.written") == in_chats + posts
    assert recording.total("messages.acknowledged") == in_chats + posts
    assert recording.total("messages.received") == in_chats + 8 * posts
    assert recording.total("uploads.done") == recording.total("uploads.begun") == files
    noted = {
        kind: sum(piece.count for piece in slices) for kind, slices in recording.latencies.items()
    }
    assert noted["message"] == in_chats + 8 * posts
    lags = {kind: count for kind, count in noted.items() if kind.startswith("lag.")}
    assert set(lags) == {"lag.inside 0/2", "lag.inside 1/2"}
    assert sum(lags.values()) == in_chats + posts + files
    assert abs(lags["lag.inside 0/2"] - lags["lag.inside 1/2"]) < 0.4 * in_chats
    assert recording.total("capacity.per_s") == 48
    assert recording.generator is not None
    assert (recording.generator.processes, recording.generator.is_valid) == (3, True)
    assert recording.generator.cpu_s > 0
    assert recording.command.endswith(" --generators 2")
