"""One wave of newcomers against a private server and simulated carriers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench.accounting import ServerProcesses, Use
from hodhod_loadtest.bench.figures import percentile
from hodhod_loadtest.carriers.street import OUR_LINE, Street, open_street
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.local_server import local_server
from hodhod_loadtest.signups.arrivals import FrontLoaded
from hodhod_loadtest.signups.cases import Case
from hodhod_loadtest.signups.crowd import Draws, people
from hodhod_loadtest.signups.door import Door, http_client
from hodhod_loadtest.signups.journey import Account, Newcomer, Surroundings
from hodhod_loadtest.signups.outcome import Outcome
from hodhod_loadtest.signups.punctuality import calm_collector, niceness, pace
from hodhod_loadtest.signups.stage import Companion, Stage

TELL_EVERY_S: Final = 10.0
TRIES: Final = 10
BETWEEN_TRIES_S: Final = 1.0
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
    def arrivals(self) -> FrontLoaded:
        return FrontLoaded(self.people, self.seconds)


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
        environment = {
            "HODHOD__SIGNUP__PROVIDERS": street.settings(),
            "HODHOD__SIGNUP__INBOUND_LINES": json.dumps([OUR_LINE]),
            # Phones pay with their own time; the generator is one machine for all of them.
            "HODHOD__DOOR__PROOF_GUESSES": "[1,1,1]",
            "HODHOD__DOOR__TRUSTED_PROXIES": '["127.0.0.0/8"]',
            **wave.environment,
        }
        async with local_server(environment) as server, http_client() as http:
            url = await _signup_url(http, server.url)
            crowd = _Crowd(Door(http, url), street, wave, tell)
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
                await _together(crowd, companions, stage)
            use = stage.processes.read() - before
            complaints = await asyncio.to_thread(_complaints, server.log)
            facts: dict[str, float] = {}
            for companion in companions:
                facts.update(await companion.facts(stage))
            outcome = Outcome(crowd.accounts, street.sent, facts)
            lags_s = [crowd.lags_s, *(companion.lags_s for companion in companions)]
            lag_p99_s = max(percentile(each, 0.99) for each in lags_s if each)
            return Run(outcome, lag_p99_s, use, complaints)


async def _signup_url(http: Client, server_url: str) -> str:
    """Raises `ConnectionError`. A gateway that has just started on a busy machine sheds work."""
    address = f"{server_url}/.well-known/hodhod"
    for _ in range(TRIES):
        with contextlib.suppress(ConnectionError):
            return str((await http.get_json(address))["signup"])
        await asyncio.sleep(BETWEEN_TRIES_S)
    return str((await http.get_json(address))["signup"])


async def _together(crowd: _Crowd, companions: Sequence[Companion], stage: Stage) -> None:
    async with asyncio.TaskGroup() as tasks:
        for companion in companions:
            tasks.create_task(companion.act(stage))
        await crowd.come()


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


class _Crowd:
    def __init__(self, door: Door, street: Street, wave: Wave, tell: Callable[[str], None]) -> None:
        self.accounts: list[Account] = []
        self.lags_s: list[float] = []
        self._street = street
        self._wave = wave
        self._tell = tell
        self._chance = random.Random(wave.seed)
        self._people = people(random.Random(wave.seed))
        self._around = Surroundings(
            door=door, handsets=street.handsets, hear=street.hear, typing_s=wave.typing_s
        )

    async def come(self) -> None:
        """Everybody, each at their time, until the last is in or has given up."""
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._keep_telling())
            async with asyncio.TaskGroup() as crowd:
                times_s = self._wave.arrivals.times_s(self._chance)
                await pace(times_s, lambda due_s: self._let_come(crowd, due_s))
            telling.cancel()

    def _let_come(self, crowd: asyncio.TaskGroup, due_s: float) -> None:
        crowd.create_task(self._one(due_s))

    async def _one(self, due_s: float) -> None:
        person = next(self._people)
        account = Account(due_s)
        self.accounts.append(account)
        self.lags_s.append(time.monotonic() - due_s)
        await Newcomer(person, self._around, Draws(self._wave.seed, person)).sign_up(account)

    async def _keep_telling(self) -> None:
        started_s = time.monotonic()
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            come = len(self.lags_s)
            inside = sum(account.in_s is not None for account in self.accounts)
            coded = sum(account.code_s is not None for account in self.accounts)
            self._tell(
                f"{time.monotonic() - started_s:5.0f} s  came {come}, code {coded}, in {inside},"
                f" sent {self._street.sent}"
            )
