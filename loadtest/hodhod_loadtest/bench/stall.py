"""A server that stops now and then, seen by an open and by a closed loop at the same time.

It shows why load here is open: people come while the server stands still, and a closed loop, which
waits with the server, sends next to nothing meanwhile and so hardly has a slow message to tell of.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.figures import BenchFailed, percentile, rounded
from hodhod_loadtest.bench.flights import connected
from hodhod_loadtest.bench.pacing import ConstantPacer
from hodhod_loadtest.bench.people import pair_up
from hodhod_loadtest.bench.target import Plan, open_target
from hodhod_server.supervisor import read_processes

STALL_S: Final = 0.3
EVERY_S: Final = 5.0
RATE_PER_S: Final = 200.0
LAG_P99_S_MAX: Final = 0.005
"""Far below the stall; a generator later than that would be seen instead of the server."""

_ONE_IN: Final = tuple(round(10 ** (step / 8), 3) for step in range(1, 41))


@dataclass(frozen=True, slots=True)
class Stalled:
    """What both saw, from when a message was due to when it was durable and there."""

    seconds: float
    open_s: Sequence[float]
    closed_s: Sequence[float]

    def as_json(self) -> dict[str, object]:
        return {
            "stall_ms": 1000 * STALL_S,
            "every_s": EVERY_S,
            "seconds": self.seconds,
            "open": _told(self.open_s),
            "closed": _told(self.closed_s),
        }


async def stall(plan: Plan) -> Stalled:
    """Raises `BenchFailed`, also where the generator was late itself."""
    async with open_target(plan) as target:
        plan.tell(f"{2 * plan.pairs} people sign up")
        pairs = await pair_up(await target.newcomers.many(2 * plan.pairs), target.api_url)
        plan.tell(f"the gateways stop for {1000 * STALL_S:.0f} ms every {EVERY_S:.0f} s")
        async with (
            connected(pairs[1:], target.door) as (wires, flights),
            connected(pairs[:1], target.door) as (one_wire, one_flight),
            asyncio.TaskGroup() as tasks,
        ):
            opened = tasks.create_task(
                loops.open_messages(
                    wires, flights, ConstantPacer(RATE_PER_S), plan, target.processes
                )
            )
            closed = tasks.create_task(
                loops.messages(one_wire, one_flight, 1, plan, target.processes)
            )
            stopping = tasks.create_task(_stop_again_and_again(target.data_dir))
            await asyncio.wait({opened, closed})
            stopping.cancel()
    lag_s = percentile(opened.result().lags_s, 0.99)
    if lag_s > LAG_P99_S_MAX:
        raise BenchFailed(f"the generator was late itself: p99 {1000 * lag_s:.1f} ms")
    return Stalled(plan.seconds, opened.result().latencies_s, closed.result().latencies_s)


async def _stop_again_and_again(data_dir: Path) -> None:
    """Until cancelled; nothing stays stopped."""
    processes = read_processes(data_dir).processes
    gateways = [process.pid for process in processes if process.role == "gateway"]
    while True:
        await asyncio.sleep(EVERY_S - STALL_S)
        try:
            _signal(gateways, signal.SIGSTOP)
            await asyncio.sleep(STALL_S)
        finally:
            _signal(gateways, signal.SIGCONT)


def _signal(pids: Sequence[int], what: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, what)


def _told(latencies_s: Sequence[float]) -> dict[str, object]:
    ordered = sorted(latencies_s)
    shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "p999_ms": 0.999, "longest_ms": 1.0}
    return {
        "messages": len(ordered),
        **{name: rounded(1000 * percentile(ordered, share)) for name, share in shares.items()},
        "one_in_ms": [
            [one_in, rounded(1000 * percentile(ordered, 1 - 1 / one_in))]
            for one_in in _ONE_IN
            if one_in <= len(ordered)
        ],
    }
