"""What large groups cost, and how long a post takes to the last of those who are online."""

from __future__ import annotations

import asyncio
from typing import Final

from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.connection import Connection
from hodhod_loadtest.bench.crowd import Crowd, gathered
from hodhod_loadtest.bench.figures import Figure, LeftOut, percentile, rounded
from hodhod_loadtest.bench.loops import ClosedRun
from hodhod_loadtest.bench.people import found
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.bench.target import Plan, Target, open_target

FANOUT: Final = "fanout_deliveries_per_server_cpu_s"
LARGE_POST: Final = "post_to_100k_group_last_online_s"


async def fanout(plan: Plan) -> list[Figure | LeftOut]:
    """Closed loop in one group whose members are all online: deliveries for a CPU-second."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, plan.group_online)
        plan.tell(f"a group of {len(people)} is founded")
        chat = await found(people, target.api_url)
        async with gathered(people, target.door) as (crowd, writer):
            runs = []
            for number in range(1, plan.runs + 1):
                plan.tell(f"{FANOUT}: run {number} of {plan.runs}, {crowd.size} listen")
                runs.append(await _posts(plan, target, crowd, writer, chat))
            listeners = crowd.size
    return [
        Figure(
            name=FANOUT,
            unit="deliveries/CPU-s",
            better="higher",
            runs=tuple(listeners * run.per_server_cpu_s for run in runs),
            elsewhere=share_elsewhere([run.use for run in runs]),
            detail={
                "listeners": listeners,
                "by_run": [
                    {
                        "posts_per_s": rounded(run.count / run.use.wall_s),
                        "last_member_p50_ms": rounded(1000 * percentile(run.latencies_s, 0.5)),
                        "last_member_p99_ms": rounded(1000 * percentile(run.latencies_s, 0.99)),
                        **run.use.as_json(),
                    }
                    for run in runs
                ],
            },
        )
    ]


async def _posts(
    plan: Plan, target: Target, crowd: Crowd, writer: Connection, chat: int
) -> ClosedRun:
    """Post after post, each when the last one has been heard by all."""
    clock = asyncio.get_running_loop().time
    await crowd.post(writer, chat)
    latencies_s, before, until = [], target.processes.read(), clock() + plan.seconds
    while clock() < until:
        latencies_s.append(await crowd.post(writer, chat))
    return ClosedRun(latencies_s, target.processes.read() - before)


async def large_post(plan: Plan) -> list[Figure | LeftOut]:
    """Posts to a group of which a tenth is online: seconds until the last of these has it."""
    async with open_target(plan) as target:
        people = await settle(target.data_dir, plan.large_group_members)
        plan.tell(f"a group of {len(people)} is founded")
        chat = await found(people, target.api_url)
        plan.tell(f"{LARGE_POST}: {plan.large_group_online} members connect")
        async with gathered(people[: plan.large_group_online], target.door) as (crowd, writer):
            latencies_s, before = [], target.processes.read()
            for number in range(1, plan.runs + 1):
                plan.tell(f"{LARGE_POST}: run {number} of {plan.runs}")
                latencies_s.append(await crowd.post(writer, chat))
            use = target.processes.read() - before
    return [
        Figure(
            name=LARGE_POST,
            unit="s",
            better="lower",
            runs=tuple(latencies_s),
            elsewhere=share_elsewhere([use]),
            detail={
                "members": plan.large_group_members,
                "online": plan.large_group_online,
                **use.as_json(),
            },
        )
    ]
