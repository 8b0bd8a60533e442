"""What happens beside a wave: people who return, bots, a process that dies.

A companion prepares before the first newcomer comes, acts while they come, and afterwards tells
facts, which the promises of its case are about.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hodhod_loadtest.bench.accounting import ServerProcesses
from hodhod_loadtest.carriers.street import Street
from hodhod_loadtest.local_server import LocalServer
from hodhod_loadtest.signups.journey import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where it happens: the private server, its carriers, and the newcomers so far."""

    server: LocalServer
    processes: ServerProcesses
    signup_url: str
    street: Street
    accounts: Sequence[Account]
    people: int
    seconds: float
    seed: int

    def chance(self, purpose: str) -> random.Random:
        """The same again for the same seed, and independent of other purposes."""
        return random.Random(f"{self.seed} {purpose}")


class Companion(Protocol):
    """One thing that happens beside the newcomers."""

    @property
    def lags_s(self) -> Sequence[float]:
        """How late each thing was begun that had its time."""
        ...

    async def prepare(self, stage: Stage) -> None:
        """Before the first newcomer."""
        ...

    async def act(self, stage: Stage) -> None:
        """From the first newcomer on; ends by itself."""
        ...

    async def facts(self, stage: Stage) -> Mapping[str, float]:
        """What came of it, by name, once everybody is in. The server still runs."""
        ...
