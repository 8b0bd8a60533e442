"""How many newcomers a second a process can take, learned from when it had too much to do. Pure.

Felt for as TCP feels for the room on a line (CUBIC, RFC 9438): what was too much is cut at once,
comes back quickly to nearly as much, and beyond that slowly first, then ever faster. So a moment in
which somebody else had the machine costs seconds of it, and an overload that lasts is held just
below where it hurts.
"""

from __future__ import annotations

import math
from typing import Final

LEAST_PER_S: Final = 5.0
KEPT_AT_ONCE: Final = 0.8
KEPT_PER_S: Final = 0.95  # a process counts as busy for seconds after the last sign of it
NEARLY: Final = 0.9
REGAINED_PER_S: Final = 0.1
DARED_PER_S2: Final = 0.002  # a tenth more after ten seconds, twice as much after thirty
FORGOTTEN: Final = 2.0  # times what was too much
ENTRIES_S: Final = 1.5


class Ability:
    """That of one process; unlimited until it was busy."""

    def __init__(self) -> None:
        self.per_s = math.inf
        self._too_much_per_s = math.inf
        self._was_busy = False
        self._near_s = 0.0
        self._entered = 0
        self._entering_per_s = 0.0

    def note_entry(self) -> None:
        """Somebody came in."""
        self._entered += 1

    def pass_time(self, lasted_s: float, *, is_busy: bool, others_per_s: float) -> None:
        """So much time has passed. `others_per_s`: people for whom all processes did something."""
        if lasted_s <= 0:
            return
        share = 1.0 - math.exp(-lasted_s / ENTRIES_S)
        self._entering_per_s += share * (self._entered / lasted_s - self._entering_per_s)
        self._entered = 0
        if is_busy:
            self._cut(max(self._entering_per_s, others_per_s), lasted_s)
        elif self.per_s < math.inf:
            self._grow(lasted_s)
        self._was_busy = is_busy

    def _cut(self, doing_per_s: float, lasted_s: float) -> None:
        if not self._was_busy:
            self._too_much_per_s = max(LEAST_PER_S, min(self.per_s, doing_per_s))
            self.per_s = self._too_much_per_s * KEPT_AT_ONCE
            self._near_s = 0.0
        self.per_s = max(LEAST_PER_S, self.per_s * KEPT_PER_S**lasted_s)

    def _grow(self, lasted_s: float) -> None:
        share = REGAINED_PER_S
        if self.per_s >= NEARLY * self._too_much_per_s:
            self._near_s += lasted_s
            share = DARED_PER_S2 * self._near_s
        self.per_s += share * self._too_much_per_s * lasted_s
        if self.per_s > FORGOTTEN * self._too_much_per_s:
            self.per_s = math.inf
