"""One wave of newcomers against a private server and simulated carriers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench.accounting import ServerProcesses, Use
from hodhod_loadtest.bench.figures import percentile
from hodhod_loadtest.carriers.street import OUR_LINE, Street, open_street
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.local_server import local_server
from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.shapes.times import poisson
from hodhod_loadtest.signups.cases import Case
from hodhod_loadtest.signups.coming import Coming
from hodhod_loadtest.signups.door import Door, http_client
from hodhod_loadtest.signups.journey import Surroundings
from hodhod_loadtest.signups.outcome import Outcome
from hodhod_loadtest.signups.punctuality import calm_collector, niceness
from hodhod_loadtest.signups.stage import Companion, Stage

TELL_EVERY_S: Final = 10.0
COMPLAINING: Final = ("warning", "error", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """How many come in how long; a seed repeats everything but the clock."""

    people: int
    seconds: float
    seed: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the server besides those of the case."""

    typing_s: tuple[float, float] = (5.0, 12.0)
    nice: int = 0
    """Of the generator, whose machine the server shares; below 0 it goes before the server."""

    @property
    def arrivals(self) -> Curve:
        return Curve.front_loaded(self.people, self.seconds)


@dataclass(frozen=True, slots=True)
class Run:
    """A wave that is over."""

    outcome: Outcome
    lag_p99_s: float
    """How late the generator was, at most, for nine-and-ninety of a hundred arrivals."""

    use: Use
    complaints: Counter[str] = field(default_factory=Counter)
    """What the server warned of, and how often."""


def compared(run: Run, calm: Run) -> Run:
    """A wave, and what it is beside the same wave in peace. Pure."""
    before_s, after_s = calm.outcome.code_in_hand_s(0.95), run.outcome.code_in_hand_s(0.95)
    facts = {
        **run.outcome.facts,
        "code in hand p95 in peace, s": before_s,
        "code in hand p95 against peace": after_s / before_s,
    }
    outcome = replace(run.outcome, facts=facts)
    return replace(run, outcome=outcome, lag_p99_s=max(calm.lag_p99_s, run.lag_p99_s))


async def run_wave(case: Case, wave: Wave, tell: Callable[[str], None]) -> Run:
    """The whole of it. Raises `ServerFailed`."""
    lines = case.lines(wave.arrivals.peak_per_s, wave.seconds)
    async with open_street(lines, wave.seed) as street:
        environment = {**connected_with(street), **wave.environment}
        async with local_server(environment) as server, http_client() as http:
            url = (await well_known(http, server.url))["signup"]
            around = Surroundings(
                door=Door(http, url),
                handsets=street.handsets,
                hear=street.hear,
                typing_s=wave.typing_s,
            )
            crowd = Coming(around, wave.seed)
            stage = Stage(
                server=server,
                processes=ServerProcesses.of(server.data_dir),
                signup_url=url,
                street=street,
                accounts=crowd.accounts,
                people=wave.people,
                seconds=wave.seconds,
                seed=wave.seed,
            )
            companions = [company() for company in case.company]
            for companion in companions:
                await companion.prepare(stage)
            street.begin()
            before = stage.processes.read()
            with calm_collector(), niceness(wave.nice):
                await _together(_come(crowd, wave, street, tell), companions, stage)
            use = stage.processes.read() - before
            complaints = await asyncio.to_thread(_complaints, server.log)
            facts: dict[str, float] = {}
            for companion in companions:
                facts.update(await companion.facts(stage))
            outcome = Outcome(crowd.accounts, street.sent, facts)
            lags_s = [crowd.lags_s, *(companion.lags_s for companion in companions)]
            lag_p99_s = max(percentile(each, 0.99) for each in lags_s if each)
            return Run(outcome, lag_p99_s, use, complaints)


def connected_with(street: Street) -> dict[str, str]:
    """The settings of a server whose texts these carriers carry, and whose newcomers we play."""
    return {
        "HODHOD__SIGNUP__PROVIDERS": street.settings(),
        "HODHOD__SIGNUP__INBOUND_LINES": json.dumps([OUR_LINE]),
        # Phones pay with their own time; the generator is one machine for all of them.
        "HODHOD__DOOR__PROOF_GUESSES": "[1,1,1]",
        "HODHOD__DOOR__TRUSTED_PROXIES": '["127.0.0.0/8"]',
    }


async def well_known(http: Client, server_url: str) -> Mapping[str, str]:
    """Where everything is. Raises `ConnectionError`."""
    told = await http.get_json(f"{server_url}/.well-known/hodhod")
    return {name: value for name, value in told.items() if isinstance(value, str)}


async def _together(coming: Awaitable[None], companions: Sequence[Companion], stage: Stage) -> None:
    async with asyncio.TaskGroup() as tasks:
        for companion in companions:
            tasks.create_task(companion.act(stage))
        await coming


def _complaints(log: Path) -> Counter[str]:
    """Events of the server's log that nobody should see."""
    found: Counter[str] = Counter()
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                told = json.loads(line)
                level, event = told.get("level"), told.get("event")
            except (ValueError, AttributeError):
                continue  # a traceback, or what `hodhod up` says to its user
            if level in COMPLAINING:
                found[f"{event}"] += 1
    return found


async def _come(coming: Coming, wave: Wave, street: Street, tell: Callable[[str], None]) -> None:
    """Everybody, and now and then a line that says how it goes."""
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_keep_telling(coming, street, tell))
        await coming.come(poisson(wave.arrivals, random.Random(wave.seed)))
        telling.cancel()


async def _keep_telling(coming: Coming, street: Street, tell: Callable[[str], None]) -> None:
    started_s = time.monotonic()
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        inside = sum(account.in_s is not None for account in coming.accounts)
        coded = sum(account.code_s is not None for account in coming.accounts)
        tell(
            f"{time.monotonic() - started_s:5.0f} s  came {len(coming.lags_s)}, code {coded},"
            f" in {inside}, sent {street.sent}"
        )
