"""Processes of the server are killed in the middle of a wave: what is lost, what is sent twice.

Twice is counted where it is paid for, at the carriers: a second text to a phone sooner than the
ladder sends one; a call that somebody asked for is none. A hand-off that was under way at the kill
may be repeated, and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from hodhod_loadtest.bench.growing import database_of
from hodhod_loadtest.carriers.desk import Handed
from hodhod_loadtest.faults.killing import kill
from hodhod_loadtest.signups.stage import Stage
from hodhod_server.domain.clock import SystemClock

ANSWERED_S: Final = 0.1  # so long answers still arrive that were given before
TOO_SOON_S: Final = 15.0  # the ladder's second text goes out after 20 s
_CLOCK: Final = SystemClock()
# An answer is written down a turn of the dispatcher after it came.
_UNDER_WAY: Final = """
SELECT count(*) FROM sends
WHERE began_at <= $1::timestamptz
    AND (answered_at IS NULL OR answered_at >= $1::timestamptz - interval '250 milliseconds')
"""


class Deaths:
    """Of processes, by their names in `processes.json`, each at its share of the wave."""

    def __init__(self, at: Mapping[str, float], *, too_soon_s: float = TOO_SOON_S) -> None:
        self.lags_s: list[float] = []
        self._at = at
        self._too_soon_s = too_soon_s
        self._killed: list[tuple[float, datetime]] = []

    async def prepare(self, stage: Stage) -> None:
        """Nothing to prepare."""

    async def act(self, stage: Stage) -> None:
        """Let each die, once."""
        begun_s = time.monotonic()
        for name, share in sorted(self._at.items(), key=lambda death: death[1]):
            await asyncio.sleep(begun_s + stage.seconds * share - time.monotonic())
            await asyncio.to_thread(self._kill, stage, name)

    def _kill(self, stage: Stage, name: str) -> None:
        stage.processes.read()
        self._killed.append((time.monotonic(), _CLOCK.now()))
        kill(stage.server.data_dir, name)

    async def facts(self, stage: Stage) -> Mapping[str, float]:
        """What they cost."""
        async with database_of(stage.server.data_dir) as connection:
            windows = [int(await connection.fetchval(_UNDER_WAY, at)) for _, at in self._killed]
        told = [account for account in stage.accounts if account.asked_s is not None]
        lost = [
            account
            for account in told
            if account.in_s is None or "challenge_not_found" in account.refusals
        ]
        twice = sent_twice(stage.street.texts, self._too_soon_s)
        return {
            "told of a challenge": len(told),
            "challenges lost": len(lost),
            "hand-offs under way at a kill": sum(windows),
            "sent twice": twice,
            "sent twice beyond those": max(0, twice - sum(windows)),
            "next challenge after a kill, s": self._next_s(account.asked_s for account in told),
            "next text after a kill, s": self._next_s(
                handed.at_s for handed in stage.street.handed
            ),
        }

    def _next_s(self, moments_s: Iterable[float | None]) -> float:
        """How long nothing of the kind happened, at worst; answers under way do not count."""
        known_s = sorted(moment_s for moment_s in moments_s if moment_s is not None)
        return max(
            next((at_s for at_s in known_s if at_s > killed_s + ANSWERED_S), float("inf"))
            - killed_s
            for killed_s, _ in self._killed
        )


def sent_twice(handed: Sequence[Handed], too_soon_s: float) -> int:
    """Texts to a phone that had one so shortly before. Pure."""
    last: dict[str, float] = {}
    count = 0
    for item in handed:
        before_s = last.get(item.phone)
        count += before_s is not None and item.at_s - before_s < too_soon_s
        last[item.phone] = item.at_s
    return count
