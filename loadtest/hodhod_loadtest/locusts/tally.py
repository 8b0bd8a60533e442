"""What people did, counted as a Locust master adds it up. Pure but for the clock it is given.

A master merges reports by addition, so a report holds what is new since the one before: a histogram
of rounded milliseconds, counts by second of wall time, least, most and sum.

Always true: everything noted is in exactly one report.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from hodhod_server.domain.clock import Clock

ALL: Final = "Aggregated"


def rounded(milliseconds: float) -> int:
    """Two digits, as Locust keeps them: at most some three hundred different ones."""
    digits = 0 if milliseconds < 100 else 1 if milliseconds < 1_000 else 2
    if milliseconds >= 10_000:
        digits = 3
    return int(round(milliseconds, -digits))


@dataclass(slots=True)
class Entry:
    """One kind of request, since the last report."""

    method: str
    name: str
    started_at: float
    last_at: float | None = None
    requests: int = 0
    failures: int = 0
    total_ms: float = 0.0
    least_ms: float | None = None
    most_ms: float = 0.0
    size: int = 0
    times: Counter[int] = field(default_factory=Counter)
    by_second: Counter[int] = field(default_factory=Counter)
    failed_by_second: Counter[int] = field(default_factory=Counter)

    def add(self, milliseconds: float, size: int, at: float, *, has_failed: bool) -> None:
        """One more."""
        second = int(at)
        self.requests += 1
        self.by_second[second] += 1
        self.last_at = at
        self.total_ms += milliseconds
        least = milliseconds if self.least_ms is None else self.least_ms
        self.least_ms = min(least, milliseconds)
        self.most_ms = max(self.most_ms, milliseconds)
        self.size += size
        self.times[rounded(milliseconds)] += 1
        if has_failed:
            self.failures += 1
            self.failed_by_second[second] += 1

    def told(self) -> dict[str, Any]:
        """Under the master's names."""
        return {
            "name": self.name,
            "method": self.method,
            "last_request_timestamp": self.last_at,
            "start_time": self.started_at,
            "num_requests": self.requests,
            "num_none_requests": 0,
            "num_failures": self.failures,
            "total_response_time": self.total_ms,
            "max_response_time": self.most_ms,
            "min_response_time": self.least_ms,
            "total_content_length": self.size,
            "response_times": dict(self.times),
            "num_reqs_per_sec": dict(self.by_second),
            "num_fail_per_sec": dict(self.failed_by_second),
        }


@dataclass(slots=True)
class _Trouble:
    method: str
    name: str
    error: str
    first_at: float
    last_at: float = 0.0
    count: int = 0

    def told(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "method": self.method,
            "error": self.error,
            "occurrences": self.count,
            "first_seen": self.first_at,
            "last_seen": self.last_at,
        }


class Tally:
    """All kinds of requests. `totals` and `failed` are those of the whole run."""

    def __init__(self, clock: Clock) -> None:
        self.totals: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._clock = clock
        self._begin()

    def note(
        self, method: str, name: str, seconds: float, size: int = 0, error: str | None = None
    ) -> None:
        """Something that was due so long ago is done, or has failed."""
        at, milliseconds = self._clock.now().timestamp(), max(0.0, 1000 * seconds)
        entry = self._entries.get((method, name))
        if entry is None:
            entry = self._entries[method, name] = Entry(method, name, self._began_at)
        has_failed = error is not None
        entry.add(milliseconds, size, at, has_failed=has_failed)
        self._all.add(milliseconds, size, at, has_failed=has_failed)
        self.totals[f"{method} {name}"] += 1
        if error is not None:
            self.failed[f"{method} {name}"] += 1
            self._note_trouble(method, name, error, at)

    def report(self) -> dict[str, Any]:
        """What is new; the next report begins here."""
        told = {
            "stats": [entry.told() for entry in self._entries.values()],
            "stats_total": self._all.told(),
            "errors": {key: trouble.told() for key, trouble in self._troubles.items()},
        }
        self._begin()
        return told

    def _begin(self) -> None:
        self._began_at = self._clock.now().timestamp()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._all = Entry("", ALL, self._began_at)
        self._troubles: dict[str, _Trouble] = {}

    def _note_trouble(self, method: str, name: str, error: str, at: float) -> None:
        key = hashlib.sha256(f"{method}.{name}.{error!r}".encode()).hexdigest()
        trouble = self._troubles.get(key)
        if trouble is None:
            trouble = self._troubles[key] = _Trouble(method, name, error, at)
        trouble.count += 1
        trouble.last_at = at
