"""What time it is for the server. Durations are the event loop's business.

A device's clock may be wrong by years; what counts for tokens and signatures is the server's. Its
answers carry a date (RFC 9110 section 6.6.1), from which the difference is learnt.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...


class SystemClock:
    """The machine's clock: the only place of the SDK that asks it."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class ServerClock:
    """The server's clock, as far as its answers have told."""

    def __init__(self, clock: Clock, offset_ms: int = 0) -> None:
        self._clock = clock
        self.offset_ms = offset_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch, about a second off at most."""
        return self._clock.now_ms() + self.offset_ms

    def learn(self, date: str | None) -> None:
        """Take the `Date` of an answer; what is no date is ignored."""
        try:
            told = parsedate_to_datetime(date or "")
        except ValueError:
            return
        self.offset_ms = round(told.timestamp() * 1000) - self._clock.now_ms()
