"""The parts of a run that need no server: goals, lateness, links, and what broke first."""

from __future__ import annotations

import asyncio
import random
import time

import msgspec
import pytest
from click.testing import CliRunner

from hodhod_loadtest import exposition
from hodhod_loadtest.cli import main
from hodhod_loadtest.faults.bad_link import BadLink
from hodhod_loadtest.judging.verdict import find_measured, judge
from hodhod_loadtest.recording.model import Phase, Recording, Sample, Slo
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.growing import bottleneck
from hodhod_loadtest.running.health import health
from hodhod_loadtest.scenarios.model import Stopwatch
from tests.loadtest.test_recording import Clock, recording

PHASES = [Phase("quiet", "baseline", 0, 10), Phase("wave", "surge", 10, 20)]


def _run(*, surge_ms: float = 12.0, lag_ms: float = 1.0, inside: int = 100) -> Recording:
    """Twenty seconds of messages of 10 ms, and a hundred newcomers who took a minute."""
    clock = Clock()
    recorder = Recorder(clock)
    for second in range(20):
        for _ in range(50):
            due_s, took_ms = 100.0 + second, 10.0 if second < 10 else surge_ms
            recorder.note("message", due_s, due_s + took_ms / 1000)
            recorder.note("lag.inside", due_s, due_s + lag_ms / 1000)
    recorder.count("messages.received", 1000)
    clock.now_s = 111.0
    for number in range(100):
        recorder.count("arrived.newcomers")
        if number < inside:
            recorder.count("in.newcomers")
            recorder.note("signup", 111.0, 111.0 + (60.0 if number else 150.0))
    told = recorder.finish(recording(phases=PHASES))
    told.slos = [
        Slo(name="ratio", measure="message.p99_ratio", goal=1.25),
        Slo(name="in", measure="signups.in_share", goal=1.0, is_most=False),
        Slo(name="lost", measure="messages.lost", goal=0),
    ]
    return told


def test_goals_are_measured_by_their_names() -> None:
    run = _run()
    assert find_measured(run, "message.p99_ratio") == pytest.approx(1.2, rel=0.002)
    assert find_measured(run, "message.p50_ms@surge") == pytest.approx(12, rel=0.002)
    assert find_measured(run, "signup.p999_s") == pytest.approx(150, rel=0.002)
    assert find_measured(run, "signups.in_120s_share") == pytest.approx(0.99)
    assert find_measured(run, "upload.p99_s") is None
    assert find_measured(run, "messages.lost") == 0


def test_one_missed_goal_fails_a_run_and_a_goal_without_a_measurement_is_missed() -> None:
    assert judge(_run()).word == "pass"
    assert judge(_run(surge_ms=20.0)).word == "fail"
    assert judge(_run(inside=99)).word == "fail"
    run = _run()
    run.slos.append(Slo(name="uploads", measure="upload.p99_s", goal=1.0))
    assert judge(run).word == "fail"


def test_a_generator_that_was_late_says_so_and_voids_its_run() -> None:
    on_time, late = _run(lag_ms=1.0), _run(lag_ms=30.0)
    stopwatch = Stopwatch(lag_p99_ms_max=5.0)
    on_time.generator = health(on_time, stopwatch, 1.0, 2)
    late.generator = health(late, stopwatch, 1.0, 2)
    assert (on_time.generator.is_valid, judge(on_time).word) == (True, "pass")
    assert (late.generator.is_valid, judge(late).word) == (False, "void")
    assert "messages were 30.0 ms late" in late.generator.why


def test_what_broke_first_is_the_busiest_process() -> None:
    def samples(cpu_s: float, lag_ms: float) -> list[Sample]:
        return [
            Sample(at_s=at_s, cpu_s=cpu_s, rss_kib=1, loop_lag_p99_ms=lag_ms) for at_s in (1, 2, 3)
        ]

    server = {
        "gateway": samples(1.2, 10.0),  # two of them
        "signup": samples(0.9, 120.0),
        "postgres": samples(0.5, 0.0),
    }
    told = bottleneck(server, {"gateway": 2}, Phase("step", "surge", 0, 3))
    assert told == "signup: 90% of a core, its loop up to 120 ms late (p99)"


def test_metrics_are_read_from_a_page() -> None:
    page = (
        "# HELP hodhod_loop_lag_seconds …\n"
        'hodhod_loop_lag_seconds_bucket{le="0.005"} 90.0\n'
        'hodhod_loop_lag_seconds_bucket{le="0.01"} 99.0\n'
        'hodhod_loop_lag_seconds_bucket{le="+Inf"} 100.0\n'
        'hodhod_signup_verified_total{operator="mci",provider="first"} 4.0\n'
    )
    lags = exposition.histogram(page, exposition.LOOP_LAG)
    assert exposition.find_p99({}, lags) == 0.01
    assert exposition.find_p99(lags, lags) is None
    [(labels, value)] = exposition.values(page, "hodhod_signup_verified_total")
    assert (labels, value) == ({"operator": "mci", "provider": "first"}, 4.0)


async def test_a_bad_link_is_late_then_broken_then_good_again() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()
    async with server, BadLink.open(target, random.Random(1)) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)

        async def there_and_back() -> float:
            began_s = time.monotonic()
            writer.write(b"one")
            writer.write(b"two")
            async with asyncio.timeout(5):
                assert await reader.readexactly(6) == b"onetwo"
            return time.monotonic() - began_s

        await there_and_back()
        link.spoil(0.1, None)
        assert await there_and_back() > 0.2
        link.mend()
        await there_and_back()
        link.spoil(0.0, 0.01)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(5):
                await reader.readexactly(1)
        assert link.cuts == 1
        writer.close()


def test_a_scenario_that_is_none_is_refused_in_a_sentence() -> None:
    told = CliRunner().invoke(main, ["run", "nothing"])
    assert told.exit_code == 1
    assert "there is no scenario nothing" in told.output


def test_parts_of_several_processes_make_one_recording() -> None:
    clock = Clock()
    whole, part = Recorder(clock), Recorder(clock, 100.0)
    whole.note("message", 101.0, 101.5)
    part.note("message", 101.2, 101.3)
    part.count("messages.written", 2)
    part.violated("lost: chat 1, seq 2")
    whole.count("messages.written")
    whole.absorb(part.finish(recording()))
    told = whole.finish(recording())
    [piece] = told.latencies["message"]
    assert (piece.at_s, piece.count) == (1, 2)
    assert told.total("messages.written") == 3
    assert told.violations == ["lost: chat 1, seq 2"]
    assert msgspec.json.decode(msgspec.json.encode(told), type=Recording) == told
