"""Tells how far a transfer is: never backwards, a few times a second, and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct

EVERY_S: Final = 0.2
NEWEST: Final = 0.3  # the share of the newest interval in the rate


class Progress(Struct, frozen=True):
    """How far a transfer is. `sent` never goes back; it stands while lost bytes travel again."""

    sent: int
    """Bytes on the other side, or handed to the network."""
    total: int | None
    """Bytes altogether; `None` for a stream that has not ended."""
    rate: float = 0.0
    """Bytes per second, lately."""

    @property
    def fraction(self) -> float:
        """From 0.0 to 1.0; 0.0 while nobody knows."""
        if self.total is None:
            return 0.0
        return self.sent / self.total if self.total else 1.0

    @property
    def remaining_s(self) -> float | None:
        """How long the rest takes at this rate; `None` where that cannot be told."""
        if self.total is None or not self.rate:
            return None
        return (self.total - self.sent) / self.rate

    def __str__(self) -> str:
        if self.total is None:
            return f"{self.sent / 1e6:,.1f} MB"
        return f"{self.fraction:6.1%} of {self.total / 1e6:,.1f} MB"


OnProgress = Callable[[Progress], object]


class ProgressTeller:
    """Passes on what a transfer reports, in one piece or in several at once."""

    def __init__(self, total: int | None, on_progress: OnProgress | None) -> None:
        self._total = total
        self._on_progress = on_progress
        self._reached: dict[int, int] = {}
        self._told = -1
        self._told_s = asyncio.get_running_loop().time()
        self._next_s = 0.0
        self._rate = 0.0

    def reach(self, sent: int, *, part: int = 0) -> None:
        """So many bytes of a part are through."""
        self._reached[part] = max(sent, self._reached.get(part, 0))
        altogether = sum(self._reached.values())
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._next_s or altogether == self._total:
            self._tell(altogether, now_s)

    def complete(self) -> None:
        """Now it is known how much it was."""
        if self._total is None:
            self._total = sum(self._reached.values())
            self._told = -1
            self._tell(self._total, asyncio.get_running_loop().time())

    def _tell(self, sent: int, now_s: float) -> None:
        if self._on_progress is None or sent <= self._told:
            return
        self._learn_rate(sent, now_s)
        self._told, self._told_s = sent, now_s
        self._next_s = now_s + EVERY_S
        self._on_progress(Progress(sent, self._total, self._rate))

    def _learn_rate(self, sent: int, now_s: float) -> None:
        """What was there when it began did not come over this link."""
        if self._told < 0 or now_s <= self._told_s:
            return
        newest = (sent - self._told) / (now_s - self._told_s)
        self._rate = newest if not self._rate else self._rate + NEWEST * (newest - self._rate)
