"""What a message costs as the server fills: with more history, more chats, more members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hodhod_loadtest.bench import growing, loops
from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.figures import Figure, LeftOut, rounded
from hodhod_loadtest.bench.flights import Flights, Wire, connected
from hodhod_loadtest.bench.loops import ClosedRun
from hodhod_loadtest.bench.measure_groups import found
from hodhod_loadtest.bench.people import Pair, pair_up
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.bench.target import Plan, Target, open_target

HISTORY: Final = "cost_growth_with_history"
CHATS: Final = "cost_growth_with_chats"
MEMBERS: Final = "cost_growth_with_members"
IN_FLIGHT: Final = 8
IN_FLIGHT_OF_ONE: Final = 64  # one pair keeps the server as busy as a hundred


async def log(plan: Plan) -> list[Figure | LeftOut]:
    """The same pairs on a new server, after much history in their chats, and among many chats."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, 2 * plan.pairs)
        pairs = await pair_up(people, target.api_url)
        async with connected(pairs, target.door) as (wires, flights):
            new = await _runs(plan, target, wires, flights)
            plan.tell(f"{HISTORY}: {plan.grown_messages} messages are written")
            await growing.history(target.data_dir, pairs, plan.grown_messages)
            old = await _runs(plan, target, wires, flights)
            plan.tell(f"{CHATS}: {plan.grown_chats} chats are opened")
            await growing.chats(target.data_dir, people, plan.grown_chats)
            wide = await _runs(plan, target, wires, flights)
    return [
        _figure(HISTORY, new, old, {"messages": plan.grown_messages}),
        _figure(CHATS, new, wide, {"messages": plan.grown_messages, "chats": plan.grown_chats}),
    ]


async def members(plan: Plan) -> list[Figure | LeftOut]:
    """Two people who are online, in a chat of two and in the largest group."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, plan.grown_members)
        [pair] = await pair_up(people[:2], target.api_url)
        small = await _of_pair(plan, target, pair)
        chat = await found(plan, target, people)
        large = await _of_pair(plan, target, Pair(pair.writer, pair.reader, chat))
    return [_figure(MEMBERS, small, large, {"members": plan.grown_members})]


async def _of_pair(plan: Plan, target: Target, pair: Pair) -> list[ClosedRun]:
    async with connected([pair], target.door) as (wires, flights):
        return await _runs(plan, target, wires, flights, IN_FLIGHT_OF_ONE)


async def _runs(
    plan: Plan,
    target: Target,
    wires: Sequence[Wire],
    flights: Flights,
    in_flight: int = IN_FLIGHT,
) -> list[ClosedRun]:
    return [
        await loops.messages(wires, flights, in_flight, plan, target.processes)
        for _ in range(plan.runs)
    ]


def _figure(
    name: str, before: Sequence[ClosedRun], after: Sequence[ClosedRun], detail: dict[str, object]
) -> Figure:
    """CPU a message after, in terms of before; run by run, in the order in which they were made."""
    return Figure(
        name=name,
        unit="×",
        better="lower",
        runs=tuple(
            one.per_server_cpu_s / other.per_server_cpu_s
            for one, other in zip(before, after, strict=True)
        ),
        elsewhere=share_elsewhere([run.use for run in (*before, *after)]),
        detail={
            **detail,
            "before_us": [_microseconds(run) for run in before],
            "after_us": [_microseconds(run) for run in after],
        },
    )


def _microseconds(run: ClosedRun) -> dict[str, float]:
    """Server CPU a message, by role."""
    return {
        role: rounded(1e6 * seconds / run.count)
        for role, seconds in run.use.server_s.items()
        if seconds
    }
