"""People who sign up, each once: a place in the master's count brings one of them again and again.

So ten Newcomers with one each ten seconds are one sign-up a second, whatever the earlier ones wait
for. Their texts come from carriers that this worker plays; who is on the way at the end is not
counted, since typing takes longer than an end should.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

from hodhod_loadtest.locusts.stream import Lateness, stream
from hodhod_loadtest.locusts.tally import Tally
from hodhod_loadtest.signups.crowd import Draws, people
from hodhod_loadtest.signups.journey import Account, Newcomer, Surroundings

METHOD: Final = "HTTP"
CODE: Final = "code in hand"
SIGN_UP: Final = "sign-up"


class Newcomers:
    """All of them. `per_s` is how many a place of the count brings in a second."""

    def __init__(self, around: Surroundings, tally: Tally, per_s: float, seed: int) -> None:
        self.lateness = Lateness()
        self.complaints: set[str] = set()
        self.count = 0
        self._around = around
        self._tally = tally
        self._per_s = per_s
        self._seed = seed
        self._people = people(random.Random(f"{seed} people"))
        self._tasks = asyncio.TaskGroup()
        self._coming: set[asyncio.Task[None]] = set()

    def become(self, count: int) -> None:
        """Who is on the way goes on."""
        self.count = count

    async def leave(self, within_s: float) -> None:
        """Nobody comes any more, and who is on the way turns round."""
        self.count = 0
        for task in self._coming:
            task.cancel()
        if self._coming:
            await asyncio.wait(self._coming, timeout=within_s)

    async def run(self) -> None:
        """Let them come."""
        async with self._tasks:
            chance = random.Random(f"{self._seed} arrivals")
            await stream(self._rate, self._let_come, chance, self.lateness)

    def _rate(self) -> float:
        return self.count * self._per_s

    def _let_come(self, due_s: float) -> None:
        if self.count:
            task = self._tasks.create_task(self._one(due_s))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _one(self, due_s: float) -> None:
        person, account = next(self._people), Account(due_s)
        await Newcomer(person, self._around, Draws(self._seed, person)).sign_up(account)
        if account.code_s is not None:
            self._tally.note(METHOD, CODE, account.code_s - due_s)
        if account.in_s is not None:
            self._tally.note(METHOD, SIGN_UP, account.in_s - due_s)
        else:
            why = max(account.refusals, key=account.refusals.__getitem__, default="no code came")
            self._tally.note(METHOD, SIGN_UP, time.monotonic() - due_s, error=f"gave up: {why}")
