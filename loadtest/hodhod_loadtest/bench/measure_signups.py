"""What the whole way in costs: a code is asked for, carried, shown, and the newcomer connects.

As many at a time as a surge brings, through a carrier over HTTP that delivers at once: what is
counted is the server's work, not anybody's patience. Nobody has to pay or to wait in the room.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.connection import Connection
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut
from hodhod_loadtest.bench.measure_people import Quiet, figure_of_steps
from hodhod_loadtest.bench.target import Plan, open_target
from hodhod_loadtest.carriers.handsets import Handsets
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import Line, open_street
from hodhod_loadtest.signups.crowd import Person, people
from hodhod_loadtest.signups.door import Door, Told, http_client
from hodhod_loadtest.signups.journey import HAND_OVER_S

SIGNUPS: Final = "signups_per_server_cpu_s"
AT_ONCE: Final = 128
INSTANT_S: Final = 0.001
CARRIER: Final = Line(
    name="carrier",
    kind="kavenegar",
    law=Law(median_s=INSTANT_S, slow=0.0, lost=0.0, receipt_s=INSTANT_S),
    agreed_per_s=10_000.0,
)


async def signups(plan: Plan) -> list[Figure | LeftOut]:
    """Whole sign-ups for a CPU-second of the server."""
    quiet, crowd = Quiet(), people(random.Random(1))
    async with open_street([CARRIER], seed=1) as street, http_client() as http:
        environment = {
            "HODHOD__SIGNUP__PROVIDERS": street.settings(),
            "HODHOD__DOOR__TRUSTED_PROXIES": json.dumps(["127.0.0.0/8"]),
        }
        async with open_target(plan, environment) as target:
            street.begin()
            door = Door(http, target.signup_url)

            async def sign_up() -> None:
                token = await _way_in(next(crowd), door, street.handsets)
                connection = await Connection.open(target.door, token, quiet)
                await connection.sync({})
                await connection.close()

            runs = []
            for number in range(1, plan.runs + 1):
                plan.tell(f"{SIGNUPS}: run {number} of {plan.runs}")
                runs.append(await loops.steps(sign_up, AT_ONCE, plan, target.processes))
    quiet.require_quiet()
    return [figure_of_steps(SIGNUPS, "sign-ups/CPU-s", AT_ONCE, runs)]


async def _way_in(person: Person, door: Door, handsets: Handsets) -> str:
    """The access token. Raises `BenchFailed` where anything is refused."""
    device = {"name": "bench", "platform": "android", "public_key": person.device_key}
    body: dict[str, Any] = {"phone": person.phone, "device": device, "wait_s": HAND_OVER_S}
    handset = handsets.open(person.phone)
    started = _require(await door.start(body, person.headers), 201)
    await handset.arrived.wait()
    shown = {"secret": started["secret"], "code": handset.codes[-1], "name": "سارا"}
    session = _require(await door.verify(started["id"], shown, person.headers), 200)
    handsets.close(person.phone)
    return str(session["access_token"])


def _require(told: Told, status: int) -> dict[str, Any]:
    if told.status != status:
        raise BenchFailed(f"answered {told.status} {told.code}")
    return told.body
