"""How long to wait before trying again: doubling, bounded, with full jitter.

Thousands lose a gateway in the same moment; spread evenly over the whole delay they come back as a
slope and not as a wall. How wide that has to be the server knows, and says in its welcome
(`reconnect_within_ms`). What it asks for later (`retry_after`) is waited for first.
"""

from __future__ import annotations

import random
from typing import Final

FIRST_S: Final = 1.0
MAX_S: Final = 30.0


class Backoff:
    """The delays of one thing that is tried again and again."""

    def __init__(
        self, dice: random.Random, *, first_s: float = FIRST_S, max_s: float = MAX_S
    ) -> None:
        self._dice = dice
        self._first_s = first_s
        self._max_s = max_s
        self._failures = 0

    def next_delay_s(self, at_least_s: float | None = None, within_s: float = 0.0) -> float:
        """The wait before the next try, after one more failure, spread at least `within_s` wide."""
        ceiling_s = min(self._max_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return (at_least_s or 0.0) + self._dice.random() * max(ceiling_s, within_s)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
