"""Those who come from outside: newcomers, people who return, bots; each taken down as they come."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.scene import Scene
from hodhod_loadtest.running.settling import outsiders
from hodhod_loadtest.scenarios.model import AnyCrowd, Bots, Newcomers, Returners
from hodhod_loadtest.shapes.times import poisson
from hodhod_loadtest.signups import returners
from hodhod_loadtest.signups.bots import Flood
from hodhod_loadtest.signups.coming import Coming
from hodhod_loadtest.signups.door import Door as Entry
from hodhod_loadtest.signups.door import Told
from hodhod_loadtest.signups.journey import Account, Habits, Surroundings
from hodhod_loadtest.signups.stage import Companion, Stage

LAG: Final = "lag.outside"
TEXTS: Final = {
    "texts to bots": "texts_to.bots",
    "provider calls for returns": "texts_to.returners",
}
"""Facts of companions that are counted: texts that nobody should have been sent."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A crowd that is ready: `act` is to begin at `from_s` of the run and ends by itself."""

    from_s: float
    act: Callable[[], Awaitable[None]]
    tell: Callable[[], Awaitable[None]]
    """Once everybody is in, and the server still runs: what only it can tell of them."""


async def visits(scene: Scene) -> list[Visit]:
    """All crowds that come from outside, prepared."""
    prepared = []
    for number, crowd in enumerate(outsiders(scene.scenario)):
        from_s, to_s = scene.scenario.window(crowd)
        match crowd:
            case Newcomers():
                act = _newcomers(scene, crowd, number, to_s - from_s)
                prepared.append(Visit(from_s, act, _nothing))
            case Returners():
                people = _returning(scene, crowd, to_s - from_s)
                prepared.append(await _visit(scene, people, from_s))
            case Bots():
                bots = _flood(scene.recorder, crowd, to_s - from_s)
                prepared.append(await _visit(scene, bots, from_s))
            case _:
                raise AssertionError(crowd)
    return prepared


async def _nothing() -> None:
    """What newcomers came to is known."""


async def _visit(scene: Scene, companion: Companion, from_s: float) -> Visit:
    stage = Stage(
        server=scene.server,
        processes=scene.processes,
        signup_url=scene.addresses["signup"],
        street=scene.street,
        accounts=(),
        people=0,
        seconds=scene.scenario.seconds,
        seed=scene.scenario.seed,
    )
    await companion.prepare(stage)

    async def tell() -> None:
        facts = await companion.facts(stage)
        for fact, name in TEXTS.items():
            if fact in facts:
                scene.recorder.count(name, round(facts[fact]))

    return Visit(from_s, partial(companion.act, stage), tell)


# --- newcomers -----------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class TakenDown(Account):
    """An account whose refusals are counted when they happen."""

    recorder: Recorder

    def note(self, told: Told) -> None:
        Account.note(self, told)
        self.recorder.count(f"refused.{told.code or told.status}")


def _newcomers(
    scene: Scene, crowd: Newcomers, number: int, seconds: float
) -> Callable[[], Awaitable[None]]:
    recorder, seed = scene.recorder, scene.scenario.seed

    def open_account(due_s: float) -> Account:
        recorder.count("arrived.newcomers")
        recorder.note(LAG, due_s, time.monotonic())
        return TakenDown(due_s=due_s, recorder=recorder)

    around = Surroundings(
        door=Entry(scene.http, scene.addresses["signup"]),
        handsets=scene.street.handsets,
        hear=scene.street.hear,
        typing_s=crowd.typing_s,
        habits=Habits(
            mistyped=crowd.mistyped,
            persian_digits=crowd.persian_digits,
            offline=crowd.offline,
        ),
    )
    coming = Coming(around, seed + number, open_account, partial(_is_done, recorder))
    times_s = _arrivals(crowd, crowd.people, seconds, random.Random(f"{seed} {number}"))
    return partial(coming.come, times_s)


def _is_done(recorder: Recorder, account: Account) -> None:
    """They are in, or have given up."""
    if account.code_s is not None:
        recorder.note("code", account.due_s, account.code_s)
    if account.promised_s is not None and account.sent_s is not None:
        recorder.promised(account.promised_s, account.sent_s - account.due_s)
    if account.in_s is None:
        recorder.count("out.newcomers")
        return
    recorder.note("signup", account.due_s, account.in_s)
    recorder.count("in.newcomers")
    recorder.count(f"way.{account.way}")


# --- people who return ---------------------------------------------------------------------------


def _returning(scene: Scene, crowd: Returners, seconds: float) -> returners.Returners:
    recorder = scene.recorder

    def times_s(stage: Stage) -> Sequence[float]:
        return _arrivals(crowd, crowd.people, seconds, stage.chance("returns"))

    def came(due_s: float) -> None:
        recorder.count("arrived.returners")
        recorder.note(LAG, due_s, time.monotonic())

    def done(person: returners.Returner) -> None:
        if person.back_s is None:
            recorder.count("out.returners")
            return
        recorder.count("in.returners")
        recorder.note("return", person.due_s, person.back_s)

    return returners.Returners(times_s, partial(_look_inside, scene.gateway), done, came)


async def _look_inside(gateway: Door, session: returners.Session) -> None:
    """Connected and up to date; then they put the phone away."""
    connection = await Connection.open(gateway, str(session["access_token"]), _Deaf())
    try:
        await connection.sync({})
    finally:
        connection.hang_up()


class _Deaf:
    """Somebody who looks in and hears nothing."""

    def sent(self, ref: int) -> None: ...

    def received(self, client_id: int) -> None: ...

    def refused(self, ref: int, code: str) -> None: ...

    def ended(self, why: str) -> None: ...


# --- bots ----------------------------------------------------------------------------------------


def _flood(recorder: Recorder, crowd: Bots, seconds: float) -> Flood:
    def times_s(stage: Stage) -> Sequence[float]:
        return _arrivals(crowd, crowd.starts, seconds, stage.chance("bots"))

    def answered(word: str) -> None:
        recorder.count("arrived.bots")
        recorder.count(f"bots.{word}")

    return Flood(times_s, crowd.addresses, answered)


def _arrivals(crowd: AnyCrowd, count: int, seconds: float, chance: random.Random) -> list[float]:
    """When they come, from the beginning of their window."""
    return list(poisson(crowd.shape.curve(count, seconds), chance))
