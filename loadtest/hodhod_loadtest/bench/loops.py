"""Load on a server, closed or open, with what the server used for it.

Closed: each worker begins again when it is done, so the server sets the speed; counted is what was
done between two readings. Open: the pacer sets the speed (`pacing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.bench.accounting import ServerProcesses, Use
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.flights import Flight, Flights, Wire
from hodhod_loadtest.bench.pacing import ConstantPacer, Pace, real_time_priority
from hodhod_loadtest.bench.target import Plan

LAND_S: Final = 30.0
KEPT_UP_S: Final = (
    1.0  # a server that holds the rate has delivered everything so soon after the end
)


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """How often something was done, how long each took, and for what CPU."""

    latencies_s: list[float]
    use: Use

    @property
    def count(self) -> int:
        return len(self.latencies_s)

    @property
    def per_server_cpu_s(self) -> float:
        return self.count / self.use.server_total_s


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """How long each message took from when it was due; a refused one, until all had come."""

    latencies_s: list[float]
    lags_s: list[float]
    """How late the generator itself was."""

    is_real_time: bool
    """Had the generator priority over everybody?"""

    refusals: int
    kept_up: bool
    use: Use


async def steps(
    step: Callable[[], Awaitable[None]], workers: int, plan: Plan, processes: ServerProcesses
) -> ClosedRun:
    """So many workers do a step again and again."""
    clock = asyncio.get_running_loop().time
    done: list[float] = []
    is_over = False

    async def work() -> None:
        while not is_over:
            began = clock()
            await step()
            done.append(clock() - began)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
        run = await _between_readings(done, plan, processes)
        is_over = True
    return run


async def messages(
    wires: Sequence[Wire],
    flights: Flights,
    in_flight: int,
    plan: Plan,
    processes: ServerProcesses,
) -> ClosedRun:
    """Every pair keeps so many messages under way. Raises `BenchFailed` if one gets lost."""
    clock = asyncio.get_running_loop().time
    done: list[float] = []
    is_over = False

    def again(flight: Flight) -> None:
        now = clock()
        done.append(now - flight.due)
        if not is_over:
            flights.take_off(flight.wire, now)

    flights.on_landed = again
    for wire in wires:
        for _ in range(in_flight):
            flights.take_off(wire, clock())
    run = await _between_readings(done, plan, processes)
    is_over = True
    await _require_all_landed(flights)
    if flights.refusals:
        raise BenchFailed("the server was overloaded by a closed loop")
    return run


async def _require_all_landed(flights: Flights) -> None:
    if not await flights.all_landed(LAND_S):
        raise BenchFailed(f"a message did not arrive within {LAND_S:.0f} s")


async def _between_readings(done: list[float], plan: Plan, processes: ServerProcesses) -> ClosedRun:
    await asyncio.sleep(plan.warm_up_s)
    before, first = processes.read(), len(done)
    await asyncio.sleep(plan.seconds)
    after, last = processes.read(), len(done)
    if first == last:
        raise BenchFailed("nothing was done in the time given")
    return ClosedRun(done[first:last], after - before)


async def open_messages(
    wires: Sequence[Wire],
    flights: Flights,
    pacer: ConstantPacer,
    plan: Plan,
    processes: ServerProcesses,
) -> OpenRun:
    """Messages at the pacer's times, the pairs in turn; those of the warm-up are not timed."""
    clock = asyncio.get_running_loop().time
    warm_up, count = pacer.count(plan.warm_up_s), pacer.count(plan.warm_up_s + plan.seconds)
    offered: list[Flight] = []

    def fire(number: int, due: float) -> None:
        offered.append(flights.take_off(wires[number % len(wires)], due))

    pace = Pace(pacer, count, fire)
    flights.on_landed = lambda flight: None
    flights.on_heard = pace.catch_up  # many answers at once do not delay what is due
    refusals_before = flights.refusals
    before = processes.read()
    with real_time_priority() as is_real_time:
        await pace.run()
        kept_up = await flights.all_landed(KEPT_UP_S)
    await _require_all_landed(flights)
    all_came_at = clock()
    timed = offered[warm_up:]
    return OpenRun(
        latencies_s=[(flight.received_at or all_came_at) - flight.due for flight in timed],
        lags_s=pace.lags_s[warm_up:],
        refusals=flights.refusals - refusals_before,
        is_real_time=is_real_time,
        kept_up=kept_up and flights.refusals == refusals_before,
        use=processes.read() - before,
    )
