"""Where the CPU of one message goes, step by step.

The whole server is measured without sampling; then the gateways' share is divided among the steps
as the samples of a second run lie.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut, rounded
from hodhod_loadtest.bench.flights import connected
from hodhod_loadtest.bench.loops import ClosedRun
from hodhod_loadtest.bench.people import pair_up
from hodhod_loadtest.bench.population import settle
from hodhod_loadtest.bench.target import Plan, open_target

COST: Final = "message_server_cpu_us"
IN_FLIGHT: Final = 8
REST: Final = "event loop, system calls, collector"
# The first whose function is on the stack has it.
STEPS: Final = (
    ("decode the frame", ("Codec.decode_client",)),
    ("commit: statement, PostgreSQL's answer", ("GroupCommit._write",)),
    ("commit: batch, results", ("GroupCommit.run",)),
    ("push: event, people here", ("Delivery.run_here", "Hub.run", "Announcer.announce")),
    ("route and publish to other gateways", ("Delivery.run_elsewhere",)),
    ("hear the bus, push", ("RedisBroker.run",)),
    ("acknowledge", ("Connection._sent",)),
    ("rights, body, queue", ("Connection._send",)),
    ("admit, count, bound", ("Connection._take",)),
    ("read the socket (aiohttp)", ("RequestHandler.data_received", "_AiohttpTransport.receive")),
    ("connection", ("Connection.run",)),
)


async def steps(plan: Plan) -> list[Figure | LeftOut]:
    """CPU of the server for one durable, delivered message, and which step takes how much."""
    plain = await _run(plan)
    with tempfile.TemporaryDirectory(prefix="hodhod-samples-") as folder:
        sampler = str(Path(__file__).parent / "sampler")
        environment = {**plan.environment, "PYTHONPATH": sampler, "HODHOD_SAMPLES": folder}
        await _run(replace(plan, environment=environment))
        shares = _shares(Path(folder))
    microseconds = {role: 1e6 * cpu_s / plain.count for role, cpu_s in plain.use.server_s.items()}
    gateway_us = microseconds.pop("gateway")
    return [
        Figure(
            name=COST,
            unit="µs",
            better="lower",
            runs=(1e6 * plain.use.server_total_s / plain.count,),
            elsewhere=share_elsewhere([plain.use]),
            detail={
                "steps": {
                    **{f"gateway: {step}": rounded(gateway_us * of) for step, of in shares.items()},
                    **{role: rounded(value) for role, value in microseconds.items() if value > 0.5},
                },
                "cores": os.cpu_count(),
            },
        )
    ]


async def _run(plan: Plan) -> ClosedRun:
    async with open_target(plan) as target:
        people = await settle(target.data_dir, 2 * plan.pairs)
        pairs = await pair_up(people, target.api_url)
        async with connected(pairs, target.door) as (wires, flights):
            return await loops.messages(wires, flights, IN_FLIGHT, plan, target.processes)


def _shares(folder: Path) -> Mapping[str, float]:
    """Of the samples of processes that handled messages, which share lies in which step."""
    found: Counter[str] = Counter()
    for path in folder.iterdir():
        text = path.read_text()
        if "GroupCommit.run" in text:
            found.update(_by_step(text))
    total = found.total()
    if not total:
        raise BenchFailed("no samples were taken")
    order = [*(step for step, _ in STEPS), REST]
    return {step: found[step] / total for step in order if found[step]}


def _by_step(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, number = line.rpartition(" ")
        if "Thread" not in stack:
            found[_step_of(set(stack.split(";")))] += int(number)
    return found


def _step_of(names: set[str]) -> str:
    for step, functions in STEPS:
        if names.intersection(functions):
            return step
    return REST
