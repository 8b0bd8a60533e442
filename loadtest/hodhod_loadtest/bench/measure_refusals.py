"""What it costs to refuse newcomers for whom even the waiting room has no place left.

The carriers take one text a second and nobody may wait longer than that, so after the first dozens
everybody is refused: the cost is that of a surge's overflow and of nothing else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut
from hodhod_loadtest.bench.measure_people import figure_of_steps
from hodhod_loadtest.bench.target import Plan, open_target
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import Line, open_street
from hodhod_loadtest.signups.crowd import Person, people
from hodhod_loadtest.signups.door import Door, http_client

OVERFLOW: Final = "overflow_refusals_per_server_cpu_s"
AT_ONCE: Final = 64
FULL_AFTER: Final = 2_000
"""Starts at most until the room is full."""

CARRIER: Final = Line(name="carrier", kind="kavenegar", law=Law(), agreed_per_s=1.0)
SETTINGS: Final = {
    "HODHOD__DOOR__TRUSTED_PROXIES": json.dumps(["127.0.0.0/8"]),
    "HODHOD__DOOR__UNPROVEN_MAX": "1000000",
    "HODHOD__DOOR__ROOM_WAIT_MAX_S": "1",
}


async def overflow(plan: Plan) -> list[Figure | LeftOut]:
    """Refusals for a CPU-second of the server."""
    crowd = people(random.Random(1))
    async with open_street([CARRIER], seed=1) as street, http_client() as http:
        environment = {**SETTINGS, "HODHOD__SIGNUP__PROVIDERS": street.settings()}
        async with open_target(plan, environment) as target:
            street.begin()
            door = Door(http, target.signup_url)
            await _fill(door, crowd)

            async def knock() -> None:
                if not await _is_refused(door, next(crowd)):
                    raise BenchFailed("somebody was let in to a full room")

            runs = []
            for number in range(1, plan.runs + 1):
                plan.tell(f"{OVERFLOW}: run {number} of {plan.runs}")
                runs.append(await loops.steps(knock, AT_ONCE, plan, target.processes))
    return [figure_of_steps(OVERFLOW, "refusals/CPU-s", AT_ONCE, runs)]


async def _fill(door: Door, crowd: Iterator[Person]) -> None:
    for _ in range(FULL_AFTER):
        if await _is_refused(door, next(crowd)):
            return
    raise BenchFailed("the room did not become full")


async def _is_refused(door: Door, person: Person) -> bool:
    device = {"name": "bench", "platform": "android", "public_key": person.device_key}
    told = await door.start({"phone": person.phone, "device": device}, person.headers)
    if told.status not in {201, 202, 503}:
        raise BenchFailed(f"answered {told.status} {told.code}")
    return told.status == 503
