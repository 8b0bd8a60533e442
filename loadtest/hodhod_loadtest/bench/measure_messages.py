"""What messages between pairs cost, and how long they take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.figures import Figure, LeftOut, percentile, rounded, spread
from hodhod_loadtest.bench.flights import Flights, Wire, connected
from hodhod_loadtest.bench.loops import ClosedRun, OpenRun
from hodhod_loadtest.bench.pacing import ConstantPacer
from hodhod_loadtest.bench.people import Pair, pair_up
from hodhod_loadtest.bench.target import Plan, Target, open_target

DURABLE: Final = "durable_msgs_per_server_cpu_s"
IN_FLIGHT: Final = 8
LAG_P99_S_MAX: Final = 0.002
"""A generator that was later than this measured itself: the run is void and made again."""

TRIES_PER_RUN: Final = 2


async def durable(plan: Plan) -> list[Figure | LeftOut]:
    """Closed loop: durable and delivered messages for a CPU-second of the server."""
    async with open_target(plan) as target:
        pairs = await _pairs(plan, target)
        async with connected(pairs, target.door) as (wires, flights):
            many = await _closed_runs(plan, target, wires, flights, IN_FLIGHT)
            single = await _closed_runs(plan, target, wires, flights, 1)
    return [
        Figure(
            name=DURABLE,
            unit="messages/CPU-s",
            better="higher",
            runs=tuple(run.per_server_cpu_s for run in many),
            elsewhere=share_elsewhere([run.use for run in many]),
            detail={
                "pairs": plan.pairs,
                "in_flight_per_pair": IN_FLIGHT,
                "by_run": [_closed_detail(run) for run in many],
                "one_in_flight": {
                    "runs": [rounded(run.per_server_cpu_s) for run in single],
                    "spread": rounded(spread([run.per_server_cpu_s for run in single])),
                    "by_run": [_closed_detail(run) for run in single],
                },
            },
        )
    ]


async def _pairs(plan: Plan, target: Target) -> Sequence[Pair]:
    plan.tell(f"{2 * plan.pairs} people sign up")
    people = await target.newcomers.many(2 * plan.pairs)
    return await pair_up(people, target.api_url)


async def _closed_runs(
    plan: Plan, target: Target, wires: Sequence[Wire], flights: Flights, in_flight: int
) -> list[ClosedRun]:
    runs = []
    for number in range(1, plan.runs + 1):
        plan.tell(f"{DURABLE}: run {number} of {plan.runs}, {in_flight} in flight")
        run = await loops.messages(wires, flights, in_flight, plan, target.processes)
        runs.append(run)
    return runs


def _closed_detail(run: ClosedRun) -> dict[str, object]:
    return {
        "per_s": rounded(run.count / run.use.wall_s),
        **_milliseconds(run.latencies_s),
        **run.use.as_json(),
    }


def open_loop_name(rate_per_s: int) -> str:
    return f"open_loop_p99_ms_at_{rate_per_s}"


async def open_loop(rate_per_s: int, plan: Plan) -> list[Figure | LeftOut]:
    """Open loop: how long 99 of 100 messages take, from when they were due."""
    name = open_loop_name(rate_per_s)
    async with open_target(plan) as target:
        pairs = await _pairs(plan, target)
        async with connected(pairs, target.door) as (wires, flights):
            runs: list[OpenRun] = []
            for attempt in range(1, TRIES_PER_RUN * plan.runs + 1):
                plan.tell(f"{name}: attempt {attempt}")
                runs.append(
                    await loops.open_messages(
                        wires, flights, ConstantPacer(rate_per_s), plan, target.processes
                    )
                )
                if sum(map(is_valid, runs)) == plan.runs:
                    break
    return [open_loop_figure(name, rate_per_s, runs)]


def is_valid(run: OpenRun) -> bool:
    """Did the generator keep its own times?"""
    return percentile(run.lags_s, 0.99) <= LAG_P99_S_MAX


def open_loop_figure(name: str, rate_per_s: int, runs: Sequence[OpenRun]) -> Figure | LeftOut:
    """The figure of the valid runs; none, and the reason, where there is none."""
    valid = [run for run in runs if is_valid(run)]
    if not valid:
        lags_ms = [rounded(1000 * percentile(run.lags_s, 0.99)) for run in runs]
        return LeftOut(
            name,
            f"void: in all {len(runs)} attempts the generator was late itself"
            f" (p99 {min(lags_ms)} to {max(lags_ms)} ms, at most {1000 * LAG_P99_S_MAX:.0f})",
            is_failure=False,
        )
    return Figure(
        name=name,
        unit="ms",
        better="lower",
        runs=tuple(1000 * percentile(run.latencies_s, 0.99) for run in valid),
        elsewhere=share_elsewhere([run.use for run in valid]),
        detail={
            "offered_per_s": rate_per_s,
            "held": all(run.kept_up for run in valid),
            "generator_is_real_time": all(run.is_real_time for run in valid),
            "void_runs": len(runs) - len(valid),
            "by_run": [_open_detail(run) for run in valid],
        },
    )


def _open_detail(run: OpenRun) -> dict[str, object]:
    return {
        "held": run.kept_up,
        "refused": run.refusals,
        **_milliseconds(run.latencies_s),
        "p999_ms": rounded(1000 * percentile(run.latencies_s, 0.999)),
        "generator_lag_p99_ms": rounded(1000 * percentile(run.lags_s, 0.99)),
        **run.use.as_json(),
    }


def _milliseconds(samples_s: Sequence[float]) -> dict[str, object]:
    return {
        f"p{share}_ms": rounded(1000 * percentile(samples_s, share / 100)) for share in (50, 99)
    }


OPEN_LOOPS: Final = {
    open_loop_name(rate_per_s): partial(open_loop, rate_per_s) for rate_per_s in (1000, 3000, 6000)
}
