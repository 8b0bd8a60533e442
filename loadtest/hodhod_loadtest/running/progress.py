"""How a run goes, told each second to whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from msgspec import Struct


class Progress(Struct, frozen=True, kw_only=True):
    """As of one second. `counts` are totals since the start, by the names of a recording."""

    at_s: float
    of_s: float
    phase: str
    counts: Mapping[str, int]
    message_p99_ms: float | None
    """Of those that were due in the second before."""

    lag_p99_ms: float | None = None
    """How late their generator was, of that second."""

    happened: str = ""
    """What was done to the server last, or what it did."""

    def line(self) -> str:
        """For who has no terminal."""
        told = [f"{self.at_s:6.0f} of {self.of_s:.0f} s  {self.phase}:"]
        told += [
            f"{crowd} {come}, in {self.counts.get(f'in.{crowd}', 0)};"
            for crowd in ("newcomers", "returners")
            if (come := self.counts.get(f"arrived.{crowd}", 0))
        ]
        if written := self.counts.get("messages.written", 0):
            got = self.counts.get("messages.received", 0)
            told.append(f"messages {written}, received {got};")
        if self.message_p99_ms is not None:
            told.append(f"p99 {self.message_p99_ms:.1f} ms")
        return " ".join(told)


Watch = Callable[[Progress], None]
TELL_EVERY_S: Final = 10.0


class Watcher(Protocol):
    """Who is told how it goes, in a terminal or elsewhere."""

    def say(self, line: str) -> None:
        """What happens next."""
        ...

    def show(self, progress: Progress) -> None:
        """Once a second."""
        ...


class Teller:
    """A watcher for whom a line now and then is enough."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next_s = 0.0

    def say(self, line: str) -> None:
        self._say(line)

    def show(self, progress: Progress) -> None:
        if progress.at_s < self._next_s - TELL_EVERY_S:
            self._next_s = 0.0  # another run
        if progress.at_s >= self._next_s:
            self._next_s = progress.at_s + TELL_EVERY_S
            self._say(progress.line())
