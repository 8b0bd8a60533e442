"""Wall time. Durations are the event loop's business; only "what is the date" is asked here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What time it is, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch: the form in which times travel."""
    passed = moment - EPOCH
    return passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000
