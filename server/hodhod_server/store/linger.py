"""How long a batch waits for company before its commit.

A commit costs the same for one message and for thirty: a write to disk, wake-ups of PostgreSQL, of
the bus and of the other gateways. At high rates batches form by themselves while the previous
commit runs, and waiting would only add delay; at very low rates nobody comes. In between, some
milliseconds save half of the CPU (docs/explanation/performance.md).
"""

from __future__ import annotations

from typing import Final

ROWS_ENOUGH: Final = 32  # a batch as large as this costs little more a row than a larger one
MEMORY_S: Final = 0.5  # how far back arrivals count for the rate


class Linger:
    """The wait of one writer, from the rate of its arrivals. Times are the event loop's."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._rate_per_s = 0.0
        self._looked_at = 0.0

    def took(self, rows: int, now: float) -> None:
        """A batch was taken: its rows are what arrived since the last one."""
        passed_s = now - self._looked_at
        if passed_s > 0:
            share = min(1.0, passed_s / MEMORY_S)
            self._rate_per_s += share * (rows / passed_s - self._rate_per_s)
        self._looked_at = now

    def wait_s(self, waiting: int) -> float:
        """For how long to wait when this many rows are there; 0: commit at once."""
        is_company_likely = self._rate_per_s * self._longest_s >= 1.0
        return self._longest_s if is_company_likely and waiting < ROWS_ENOUGH else 0.0
