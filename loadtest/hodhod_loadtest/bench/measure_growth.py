"""What a message costs as the server fills: with more history, chats, members and people online.

Everything is measured on one server per kind, step by step: the figure is the cost at the largest
size in terms of the cost at the smallest.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from hodhod_loadtest.bench import growing, loops
from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.crowd import Crowd
from hodhod_loadtest.bench.figures import Figure, LeftOut, rounded
from hodhod_loadtest.bench.flights import Flights, Wire, connected
from hodhod_loadtest.bench.loops import ClosedRun
from hodhod_loadtest.bench.people import Pair, found, pair_up
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.bench.target import Plan, Target, open_target

HISTORY: Final = "cost_growth_with_history"
CHATS: Final = "cost_growth_with_chats"
MEMBERS: Final = "cost_growth_with_members"
ONLINE: Final = "cost_growth_with_people_online"
IN_FLIGHT: Final = 8
IN_FLIGHT_OF_ONE: Final = 64  # one pair keeps the server as busy as a hundred
_Series = list[tuple[int, list[ClosedRun]]]


class _Pairs:
    """Pairs that write to one another whenever the cost is wanted."""

    def __init__(self, plan: Plan, target: Target, wires: Sequence[Wire], flights: Flights) -> None:
        self._plan = plan
        self._target = target
        self._wires = wires
        self._flights = flights

    async def runs(self, in_flight: int = IN_FLIGHT) -> list[ClosedRun]:
        return [
            await loops.messages(
                self._wires, self._flights, in_flight, self._plan, self._target.processes
            )
            for _ in range(self._plan.runs)
        ]

    async def series(
        self, name: str, sizes: Sequence[int], grow: Callable[[int], Awaitable[None]]
    ) -> _Series:
        """The cost at each size; `grow` is told by how much there is to be more."""
        series: _Series = []
        before = 0
        for size in sizes:
            self._plan.tell(f"{name}: {size}")
            await grow(size - before)
            before = size
            series.append((size, await self.runs()))
        return series


async def log(plan: Plan) -> list[Figure | LeftOut]:
    """The same pairs with ever more history in their chats, and then among ever more chats."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, 2 * plan.pairs)
        pairs = await pair_up(people, target.api_url)
        async with connected(pairs, target.door) as (wires, flights):
            measured = _Pairs(plan, target, wires, flights)
            history = await measured.series(
                HISTORY,
                plan.grown_messages,
                lambda more: growing.history(target.data_dir, pairs, more),
            )
            chats = await measured.series(
                CHATS, plan.grown_chats, lambda more: growing.chats(target.data_dir, people, more)
            )
    return [_figure(HISTORY, history), _figure(CHATS, chats)]


async def online(plan: Plan) -> list[Figure | LeftOut]:
    """The same pairs while ever more people are connected who do nothing."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, 2 * plan.pairs + plan.grown_online[-1])
        pairs = await pair_up(people[: 2 * plan.pairs], target.api_url)
        others = iter(people[2 * plan.pairs :])
        crowd = Crowd()
        async with connected(pairs, target.door) as (wires, flights):
            series = await _Pairs(plan, target, wires, flights).series(
                ONLINE,
                plan.grown_online,
                lambda more: crowd.gather([next(others) for _ in range(more)], target.door),
            )
        await crowd.disperse()
    return [_figure(ONLINE, series)]


async def members(plan: Plan) -> list[Figure | LeftOut]:
    """Two who are online, in a chat of two and in ever larger groups."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, plan.grown_members[-1])
        [pair] = await pair_up(people[:2], target.api_url)
        series: _Series = []
        for size in plan.grown_members:
            chat = pair.chat if size == 2 else await found(people[:size], target.api_url)
            wanted = Pair(pair.writer, pair.reader, chat)
            async with connected([wanted], target.door) as (wires, flights):
                measured = _Pairs(plan, target, wires, flights)
                series.append((size, await measured.runs(IN_FLIGHT_OF_ONE)))
    return [_figure(MEMBERS, series)]


def _figure(name: str, series: _Series) -> Figure:
    """CPU a message at the largest size in terms of the smallest."""
    smallest, largest = series[0][1], series[-1][1]
    return Figure(
        name=name,
        unit="×",
        better="lower",
        runs=tuple(
            one.per_server_cpu_s / other.per_server_cpu_s
            for one, other in zip(smallest, largest, strict=True)
        ),
        elsewhere=share_elsewhere([run.use for _, runs in series for run in runs]),
        detail={"series": [{"size": size, **_microseconds(runs)} for size, runs in series]},
    )


def _microseconds(runs: Sequence[ClosedRun]) -> dict[str, object]:
    """Server CPU a message: all of it, the median of the runs, and by role in the middle one."""
    ordered = sorted(runs, key=lambda run: run.per_server_cpu_s)
    middle = ordered[len(ordered) // 2]
    by_role = {
        role: rounded(1e6 * s / middle.count) for role, s in middle.use.server_s.items() if s
    }
    return {
        "us": rounded(statistics.median(1e6 / run.per_server_cpu_s for run in runs)),
        "by_role": by_role,
    }
