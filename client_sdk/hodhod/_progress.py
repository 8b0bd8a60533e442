"""Tells how far a transfer is: never backwards, a few times a second, and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hodhod._models import Progress

EVERY_S: Final = 0.2

OnProgress = Callable[[Progress], object]


class ProgressTeller:
    """Passes on what a transfer reports."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self._total = total
        self._on_progress = on_progress
        self._told = -1
        self._next_s = 0.0

    def reach(self, sent: int) -> None:
        """So many bytes are through."""
        now_s = asyncio.get_running_loop().time()
        if self._on_progress is None or sent <= self._told:
            return
        if now_s >= self._next_s or sent == self._total:
            self._told = sent
            self._next_s = now_s + EVERY_S
            self._on_progress(Progress(sent, self._total))
