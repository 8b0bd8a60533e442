"""What people cost who connect, and who are just there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.connection import Connection
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut, percentile, rounded
from hodhod_loadtest.bench.loops import ClosedRun
from hodhod_loadtest.bench.people import Person, pair_up
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.bench.target import Plan, Target, open_target

CONNECTS: Final = "connects_per_server_cpu_s"
IDLE: Final = "idle_kib_per_connection"
CONNECTING_AT_ONCE: Final = 32
WARMING_CONNECTIONS: Final = 100  # what a gateway keeps from its first connections is not per each
SETTLE_S: Final = 2.0


class Quiet:
    """Listens where no message is expected."""

    def __init__(self) -> None:
        self.trouble: str | None = None

    def sent(self, ref: int) -> None:
        self.ended(f"an unasked reply {ref}")

    def received(self, client_id: int) -> None:
        self.ended("an unexpected message")

    def refused(self, ref: int, code: str) -> None:
        self.ended(f"refused: {code}")

    def ended(self, why: str) -> None:
        self.trouble = self.trouble or why

    def require_quiet(self) -> None:
        """Raises `BenchFailed` with what was heard."""
        if self.trouble is not None:
            raise BenchFailed(self.trouble)


async def connects(plan: Plan) -> list[Figure | LeftOut]:
    """Whole returns of people who were here before: connect, hello, sync, goodbye."""
    quiet = Quiet()
    async with open_target(plan) as target:
        plan.tell(f"{2 * plan.pairs} people sign up")
        pairs = await pair_up(await target.newcomers.many(2 * plan.pairs), target.api_url)
        turns = itertools.cycle([(person, pair.chat) for pair in pairs for person in pair.people])

        async def come_and_go() -> None:
            person, chat = next(turns)
            connection = await Connection.open(target.door, person.token, quiet)
            await connection.sync({chat: 1})
            await connection.close()

        runs = []
        for number in range(1, plan.runs + 1):
            plan.tell(f"{CONNECTS}: run {number} of {plan.runs}")
            runs.append(await loops.steps(come_and_go, CONNECTING_AT_ONCE, plan, target.processes))
    quiet.require_quiet()
    return [figure_of_steps(CONNECTS, "connects/CPU-s", CONNECTING_AT_ONCE, runs)]


def figure_of_steps(name: str, unit: str, at_once: int, runs: Sequence[ClosedRun]) -> Figure:
    """Steps for a CPU-second of the server, with how long they took."""
    return Figure(
        name=name,
        unit=unit,
        better="higher",
        runs=tuple(run.per_server_cpu_s for run in runs),
        elsewhere=share_elsewhere([run.use for run in runs]),
        detail={
            "at_once": at_once,
            "by_run": [
                {
                    "per_s": rounded(run.count / run.use.wall_s),
                    "p50_ms": rounded(1000 * percentile(run.latencies_s, 0.5)),
                    "p99_ms": rounded(1000 * percentile(run.latencies_s, 0.99)),
                    **run.use.as_json(),
                }
                for run in runs
            ],
        },
    )


async def idle(plan: Plan) -> list[Figure | LeftOut]:
    """Memory of the gateways for a connection on which nothing happens.

    Each run has a server of its own: memory that connections leave is taken by the next ones.
    """
    grown_kib, details = [], []
    for number in range(1, plan.runs + 1):
        async with open_target(plan) as target:
            plan.tell(f"{IDLE}: run {number} of {plan.runs}, {plan.idle_connections} connections")
            before, after = await _pss_kib(plan, target)
        grown_kib.append((after - before) / plan.idle_connections)
        details.append({"pss_before_mib": rounded(before / 1024), "pss_mib": rounded(after / 1024)})
    return [
        Figure(
            name=IDLE,
            unit="KiB",
            better="lower",
            runs=tuple(grown_kib),
            detail={"connections": plan.idle_connections, "by_run": details},
        )
    ]


async def _pss_kib(plan: Plan, target: Target) -> tuple[int, int]:
    """Of the gateways, warmed up and with everybody there."""
    people = await settle(target.data_dir, WARMING_CONNECTIONS + plan.idle_connections)
    quiet = Quiet()
    connections: list[Connection] = []
    try:
        await _come(people[:WARMING_CONNECTIONS], target, quiet, connections)
        before = target.processes.pss_kib("gateway")
        await _come(people[WARMING_CONNECTIONS:], target, quiet, connections)
        after = target.processes.pss_kib("gateway")
        quiet.require_quiet()
    finally:
        async with asyncio.TaskGroup() as tasks:
            for connection in connections:
                tasks.create_task(connection.close())
    return before, after


async def _come(
    people: Sequence[Person], target: Target, quiet: Quiet, connections: list[Connection]
) -> None:
    for person in people:
        connection = await Connection.open(target.door, person.token, quiet)
        connections.append(connection)
        await connection.sync({})
    await asyncio.sleep(SETTLE_S)
