"""Wall time. Durations are the event loop's business; only "what is the date" is asked here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What time it is, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def from_ms(at_ms: int) -> datetime:
    """The moment of a time that travelled. Raises `OverflowError` beyond the year 9999."""
    return EPOCH + timedelta(milliseconds=at_ms)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch: the form in which times travel."""
    passed = moment - EPOCH
    return passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000
