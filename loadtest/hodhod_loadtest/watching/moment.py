"""One second of a run, as whoever watches is told it. Pure.

Counts are totals since the start under the names of a recording (`arrived.newcomers`,
`in.newcomers`, `messages.written`, `refused.CODE`, `error.KIND`); how fast they grow is found from
two moments, so nobody has to count twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

CROWDS: Final = ("newcomers", "returners")
TROUBLE: Final = ("refused.", "error.", "violation.")
UNITS: Final[Mapping[str, tuple[float, str]]] = {
    "code": (0.001, "s"), "signup": (0.001, "s"), "return": (1.0, "ms"), "upload": (0.001, "s"),
}  # fmt: skip
"""In what a kind of wait is told; milliseconds otherwise."""


class Waits(Struct, frozen=True):
    """How long people waited of late, for one kind of thing; what is not known is `None`."""

    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Moment(Struct, frozen=True, kw_only=True):
    """As of `at_s` of a run that is to last `of_s`."""

    at_s: float
    of_s: float
    phase: str = ""
    counts: Mapping[str, int] = {}
    waits: Mapping[str, Waits] = {}
    """By the kinds of a recording: `message`, `ack`, `code`, `signup`, `return`, `upload`."""

    lag_p99_ms: float | None = None
    """How late the generator itself was of late."""

    lag_most_ms: float | None = None
    """Later than that, and the run says nothing of the server."""

    happened: str = ""
    """The last thing that was done to the server, or that it did."""

    @property
    def left_s(self) -> float:
        """Until the last one is due."""
        return max(0.0, self.of_s - self.at_s)

    @property
    def is_late(self) -> bool:
        """Is the generator too late for the run to count?"""
        if self.lag_p99_ms is None or self.lag_most_ms is None:
            return False
        return self.lag_p99_ms > self.lag_most_ms

    @property
    def troubles(self) -> dict[str, int]:
        """Refusals, errors and broken promises so far, the most frequent first."""
        found = {
            name: count for name, count in self.counts.items() if count and name.startswith(TROUBLE)
        }
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def speed(self, name: str, before: Moment) -> float:
        """How many a second, since that moment."""
        passed_s = self.at_s - before.at_s
        grown = self.counts.get(name, 0) - before.counts.get(name, 0)
        return grown / passed_s if passed_s > 0 else 0.0
