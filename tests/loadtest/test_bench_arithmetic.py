"""Figures are worth what their arithmetic is worth: medians, CPU, times, what is void."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from hodhod_loadtest.bench import accounting, report
from hodhod_loadtest.bench.accounting import ServerProcesses, Use
from hodhod_loadtest.bench.figures import Figure, LeftOut, percentile, spread
from hodhod_loadtest.bench.loops import OpenRun
from hodhod_loadtest.bench.measure_messages import open_loop_figure
from hodhod_loadtest.bench.pacing import ConstantPacer, Pace, real_time_priority, ticking_loop
from hodhod_loadtest.bench.suite import NAMES, Outcome

NOTHING_USED = Use(wall_s=1.0, server_s={"gateway": 0.0}, generator_s=0.0, busy_s=0.0)


def figure(*runs: float, **detail: object) -> Figure:
    return Figure(name="speed", unit="km/h", better="higher", runs=runs, detail=detail)


# --- figures -------------------------------------------------------------------------------------


def test_a_figure_is_the_median_of_its_runs_and_tells_how_far_they_lie_apart() -> None:
    told = figure(90.0, 120.0, 100.0, road="wet").as_json()
    assert told == {
        "name": "speed",
        "value": 100.0,
        "unit": "km/h",
        "better": "higher",
        "detail": {"runs": [90.0, 120.0, 100.0], "spread": 0.3, "elsewhere": 0.0, "road": "wet"},
    }


@pytest.mark.parametrize(("runs", "expected"), [([5.0], 0.0), ([4.0, 6.0], 0.4), ([0.0, 0.0], 0.0)])
def test_the_spread_is_a_share_of_the_median(runs: list[float], expected: float) -> None:
    assert spread(runs) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100)]
)
def test_a_percentile_is_the_smallest_sample_that_covers_its_share(
    share: float, expected: int
) -> None:
    samples = list(range(1, 101))
    random.Random(3).shuffle(samples)
    assert percentile(samples, share) == expected


def test_a_percentile_of_one_sample_is_that_sample() -> None:
    assert percentile([7.0], 0.99) == 7.0


# --- CPU -----------------------------------------------------------------------------------------


def test_busy_is_everything_but_idling_waiting_and_guests() -> None:
    text = (
        "cpu  1 20 300 4000 50000 600000 7000000 80000000 900000000 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    )
    assert accounting.parse_busy(text) == 1 + 20 + 300 + 600000 + 7000000 + 80000000


def test_use_between_two_readings_is_their_difference() -> None:
    before = Use(wall_s=10, server_s={"gateway": 1, "postgres": 2}, generator_s=3, busy_s=20)
    after = Use(wall_s=15, server_s={"gateway": 3, "postgres": 3}, generator_s=4, busy_s=28)
    use = after - before
    assert (use.wall_s, use.server_total_s, use.generator_s, use.elsewhere_s) == (5, 3, 1, 4)


def test_what_others_used_is_told_as_a_share_of_all_cores() -> None:
    cores = os.cpu_count() or 1
    use = Use(wall_s=5, server_s={"gateway": 2}, generator_s=1, busy_s=3 + 2 * cores)
    assert accounting.share_elsewhere([use, use]) == pytest.approx(0.4)
    busy = Figure(name="speed", unit="km/h", better="higher", runs=(1.0,), elsewhere=0.4)
    assert "others used 40% of the machine" in lines(busy)[0]


def test_real_processes_are_counted_with_children_that_have_ended_and_without_us() -> None:
    burn = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    parent += "; print('done', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        processes = ServerProcesses({process.pid: "server"})
        before = processes.read()
        assert process.stdout.readline() == b"done\n"
        use = processes.read() - before
        memory_kib = processes.pss_kib("server"), processes.peak_rss_kib("server")
        process.communicate()
    assert 0.18 <= use.server_total_s < 2.0
    assert use.generator_s < 0.15
    assert use.busy_s >= 0.15
    assert 1_000 < memory_kib[0] <= memory_kib[1] < 200_000


def test_who_is_killed_keeps_what_it_used_and_its_parent_does_not_inherit_it() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    parent = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {burn!r}],"
    parent += " stdin=subprocess.PIPE, stdout=subprocess.PIPE); child.stdout.readline();"
    parent += " print(child.pid, flush=True); child.wait(); print('over', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        processes = ServerProcesses({process.pid: "supervisor", child: "role"})
        before = processes.read()
        os.kill(child, signal.SIGKILL)
        assert process.stdout.readline() == b"over\n"
        use = processes.read() - before
        process.communicate(b"\n")
    assert before.server_s["role"] >= 0.29
    assert 0.0 <= use.server_s["role"] < 0.1
    assert 0.0 <= use.server_s["supervisor"] < 0.1


def test_our_own_cpu_is_the_generators_not_the_servers() -> None:
    processes = ServerProcesses({os.getpid() + 10_000_000: "server"})
    before = processes.read()
    sum(number * number for number in range(1_000_000))
    use = processes.read() - before
    assert use.server_total_s == 0
    assert use.generator_s > 0.01


# --- pacing --------------------------------------------------------------------------------------


def test_a_constant_pace_has_its_rate_at_any_length() -> None:
    pacer = ConstantPacer(400)
    due = [pacer.due_s(number) for number in range(pacer.count(2.5))]
    assert len(due) == 1000
    assert due[0] == 0
    assert due[-1] < 2.5
    assert all(
        later - earlier == pytest.approx(1 / 400) for earlier, later in itertools.pairwise(due)
    )


async def test_a_slow_message_delays_none_of_the_times_after_it() -> None:
    pacer = ConstantPacer(200)
    fired: list[tuple[int, float]] = []

    def fire(number: int, due: float) -> None:
        fired.append((number, due))
        if number == 2:
            stall(0.05)  # ten messages become late

    pace = Pace(pacer, 40, fire)
    await pace.run()
    assert [number for number, _ in fired] == list(range(40))
    start = fired[0][1]
    assert all(due - start == pytest.approx(pacer.due_s(number)) for number, due in fired)
    assert pace.lags_s[3] > 0.04, "lateness is counted from when a message was due"
    assert pace.lags_s[3] > pace.lags_s[8], "late ones are sent at once, so the lag shrinks"


async def test_what_falls_due_amid_other_work_can_be_fired_amid_it() -> None:
    fired: list[int] = []
    pace = Pace(ConstantPacer(100), 20, lambda number, due: fired.append(number))

    async def work() -> None:
        await asyncio.sleep(0.02)
        before = len(fired)
        stall(0.05)
        pace.catch_up()
        assert len(fired) >= before + 4

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pace.run())
        tasks.create_task(work())
    assert fired == list(range(20)), "each once, in order"


def stall(seconds: float) -> None:
    """Keep the loop from everything else."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_a_ticking_loop_is_at_most_a_tick_late_and_real_time_ends_with_its_block() -> None:
    async def keep_pace() -> list[float]:
        pace = Pace(ConstantPacer(500), 100, lambda number, due: None)
        await pace.run()
        return pace.lags_s

    policy = os.sched_getscheduler(0)
    with asyncio.Runner(loop_factory=ticking_loop) as runner, real_time_priority() as is_granted:
        lags_s = runner.run(keep_pace())
        assert (os.sched_getscheduler(0) != policy) is is_granted
    assert os.sched_getscheduler(0) == policy
    assert percentile(lags_s, 0.5) < 0.002


# --- what is void --------------------------------------------------------------------------------


def open_run(p99_ms: float, lag_ms: float, *, kept_up: bool = True) -> OpenRun:
    return OpenRun(
        latencies_s=[p99_ms / 1000] * 100,
        lags_s=[lag_ms / 1000] * 100,
        is_real_time=True,
        refusals=0,
        kept_up=kept_up,
        use=NOTHING_USED,
    )


def lines(*results: Figure | LeftOut) -> Sequence[str]:
    figures = [result for result in results if isinstance(result, Figure)]
    left_out = [result for result in results if isinstance(result, LeftOut)]
    return list(report.lines(Outcome(figures, left_out)))


def test_runs_in_which_the_generator_was_late_do_not_count() -> None:
    runs = [open_run(8, 0.5), open_run(90, 2.5), open_run(6, 1.9), open_run(7, 0.5)]
    result = open_loop_figure("wait", 1000, runs)
    assert isinstance(result, Figure)
    assert result.runs == pytest.approx((8, 6, 7))
    assert result.value == pytest.approx(7)
    assert result.detail["void_runs"] == 1
    assert "1 void run" in lines(result)[0]


def test_a_figure_without_a_valid_run_is_left_out_and_says_why() -> None:
    result = open_loop_figure("wait", 1000, [open_run(8, 3), open_run(8, 5)])
    assert isinstance(result, LeftOut)
    assert "generator was late" in result.why
    assert not Outcome([], [result]).has_failed
    assert result.why in lines(result)[0]


def test_a_rate_that_the_server_did_not_hold_is_told_as_such() -> None:
    result = open_loop_figure("wait", 3000, [open_run(8, 1), open_run(900, 1, kept_up=False)])
    assert isinstance(result, Figure)
    assert result.detail["held"] is False
    assert "NOT HELD" in lines(result)[0]


# --- the command ---------------------------------------------------------------------------------


def test_the_names_are_those_that_were_promised() -> None:
    assert set(NAMES) == {
        "durable_msgs_per_server_cpu_s",
        "open_loop_p99_ms_at_1000",
        "open_loop_p99_ms_at_3000",
        "open_loop_p99_ms_at_6000",
        "message_server_cpu_us",
        "fanout_deliveries_per_server_cpu_s",
        "post_to_100k_group_last_online_s",
        "overload_goodput_share",
        "cost_growth_with_history",
        "cost_growth_with_chats",
        "cost_growth_with_members",
        "cost_growth_with_people_online",
        "idle_kib_per_connection",
        "connects_per_server_cpu_s",
        "signups_per_server_cpu_s",
        "refusals_per_server_cpu_s",
        "upload_mib_s",
        "upload_rss_mib",
        "download_mib_s",
        "upload_share_of_bare",
        "download_share_of_bare",
        "message_p99_during_uploads_ratio",
        "media_loop_lag_p99_ms",
        "ten_uploads_rss_mib",
    }
