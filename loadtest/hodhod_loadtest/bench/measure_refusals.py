"""What it costs to turn somebody away while the waiting room is full: most of the work of a server
to which ten times as many come as it can serve.

A carrier that takes a text in two seconds fills the room with the first few; all the others, each
with a phone and a device of their own, are refused from then on.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut
from hodhod_loadtest.bench.measure_people import figure_of_steps
from hodhod_loadtest.bench.target import Plan, open_target
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import Line, open_street
from hodhod_loadtest.signups.crowd import Person, people
from hodhod_loadtest.signups.door import Door, Told, http_client

REFUSALS: Final = "refusals_per_server_cpu_s"
AT_ONCE: Final = 32
FIRST: Final = 128
"""Who are let in, and whose texts leave for four minutes: the room is full for so long."""

FULL: Final = "overloaded"
LOOKS_MAX: Final = 100
BETWEEN_LOOKS_S: Final = 0.1
CARRIER: Final = Line(name="carrier", kind="kavenegar", law=Law(), agreed_per_s=0.5)


async def refusals(plan: Plan) -> list[Figure | LeftOut]:
    """Newcomers turned away for a CPU-second of the server."""
    crowd = people(random.Random(1))
    async with open_street([CARRIER], seed=1) as street:
        environment = {
            "HODHOD__SIGNUP__PROVIDERS": street.settings(),
            "HODHOD__DOOR__TRUSTED_PROXIES": json.dumps(["127.0.0.0/8"]),
            "HODHOD__DOOR__ROOM_WAIT_MAX_S": "1",
        }
        async with open_target(plan, environment) as target:
            street.begin()
            async with http_client() as http:
                await _fill_room(Door(http, target.signup_url), crowd)
            async with http_client() as http:  # who comes now was not served before
                door = Door(http, target.signup_url)
                runs = []
                for number in range(1, plan.runs + 1):
                    plan.tell(f"{REFUSALS}: run {number} of {plan.runs}")
                    step = partial(_be_refused, door, crowd)
                    runs.append(await loops.steps(step, AT_ONCE, plan, target.processes))
    return [figure_of_steps(REFUSALS, "refusals/CPU-s", AT_ONCE, runs)]


async def _fill_room(door: Door, crowd: Iterator[Person]) -> None:
    """Raises `BenchFailed` where it never gets full."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(FIRST):
            tasks.create_task(_ask(door, next(crowd)))
    for _ in range(LOOKS_MAX):
        if (await _ask(door, next(crowd))).code == FULL:
            return
        await asyncio.sleep(BETWEEN_LOOKS_S)
    raise BenchFailed("the waiting room did not get full")


async def _be_refused(door: Door, crowd: Iterator[Person]) -> None:
    told = await _ask(door, next(crowd))
    if told.code != FULL:
        raise BenchFailed(f"let in where nobody should be: {told.status} {told.code}")


async def _ask(door: Door, person: Person) -> Told:
    device = {"name": "bench", "platform": "android", "public_key": person.device_key}
    return await door.start({"phone": person.phone, "device": device}, person.headers)
