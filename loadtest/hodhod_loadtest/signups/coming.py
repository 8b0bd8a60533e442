"""Newcomers as they come: each at their time, each a task of their own, all written down."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable

from hodhod_loadtest.signups.crowd import Draws, people
from hodhod_loadtest.signups.journey import Account, Newcomer, Surroundings
from hodhod_loadtest.signups.punctuality import pace


class Coming:
    """The crowd of one run; `accounts` are in the order of arrival."""

    def __init__(
        self,
        around: Surroundings,
        seed: int,
        open_account: Callable[[float], Account] = Account,
        done: Callable[[Account], None] = lambda account: None,
    ) -> None:
        self.accounts: list[Account] = []
        self.lags_s: list[float] = []
        self.around = around
        self._seed = seed
        self._people = people(random.Random(seed))
        self._open_account = open_account
        self._done = done

    async def come(self, times_s: Iterable[float]) -> None:
        """Everybody, counted from now, until the last is in or has given up."""
        async with asyncio.TaskGroup() as crowd:

            def let_come(due_s: float) -> None:
                crowd.create_task(self.one(due_s))

            await pace(times_s, let_come)

    async def one(self, due_s: float) -> None:
        """The next one."""
        person, account = next(self._people), self._open_account(due_s)
        self.accounts.append(account)
        self.lags_s.append(time.monotonic() - due_s)
        await Newcomer(person, self.around, Draws(self._seed, person)).sign_up(account)
        self._done(account)
