"""Takes down a run as it goes, for next to nothing a time.

Always true: a second that is over long enough is folded (`SETTLED_S` after what was due in it, what
still comes is folded later and added), so memory grows with seconds and not with people.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import numpy

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import (
    Happening,
    Promised,
    ProviderSample,
    Recording,
    Sample,
    Slice,
)

PROMISES_MAX: Final = 5_000
SETTLED_S: Final = 30
VIOLATIONS_MAX: Final = 100


class Recorder:
    """`clock` is the generator's; every `due_s` and `at_s` is its time.

    Processes of one machine share their monotonic clock: given the same `started_s`, each takes
    down its part, and one of them absorbs the others'.
    """

    def __init__(self, clock: Callable[[], float], started_s: float | None = None) -> None:
        self._clock = clock
        self._started_s = clock() if started_s is None else started_s
        self._fresh: defaultdict[str, dict[int, array[int]]] = defaultdict(dict)
        self._folded: defaultdict[str, dict[int, list[str]]] = defaultdict(dict)
        self._numbers: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._counts: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._promises = 0
        self.server: defaultdict[str, list[Sample]] = defaultdict(list)
        self.providers: defaultdict[str, list[ProviderSample]] = defaultdict(list)
        self.happenings: list[Happening] = []
        self.promises: list[Promised] = []
        self.violations: list[str] = []

    def begin(self, started_s: float) -> None:
        """Forget everything: a recording that began then."""
        self._started_s = started_s
        self._promises = 0
        for taken in (self._fresh, self._folded, self._numbers, self._counts):
            taken.clear()
        for kept in (self.server, self.providers):
            kept.clear()
        for told in (self.happenings, self.promises, self.violations):
            told.clear()

    def now_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started_s

    def note(self, kind: str, due_s: float, done_s: float) -> None:
        """Something that was due then is done."""
        second = int(due_s - self._started_s)
        seconds = self._fresh[kind]
        try:
            latencies = seconds[second]
        except KeyError:
            latencies = seconds[second] = array("q")
        latencies.append(int(1e6 * (done_s - due_s)))

    def count(self, name: str, number: int = 1) -> None:
        """Something happened now."""
        second, seconds = max(0, int(self.now_s())), self._counts[name]
        seconds[second] = seconds.get(second, 0) + number

    def totals(self) -> dict[str, int]:
        """Everything that was counted so far."""
        return {name: sum(seconds.values()) for name, seconds in self._counts.items()}

    def quantile_s(self, kind: str, share: float, second: int) -> float | None:
        """Of what was due in a second that is not folded yet and has come; `None` of nothing."""
        latencies = self._fresh[kind].get(second)
        if not latencies:
            return None
        return float(numpy.quantile(numpy.frombuffer(latencies, dtype=numpy.int64), share)) / 1e6

    def violated(self, what: str) -> None:
        """Something that must not be; the first ones are told, all are to be counted."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(what)

    def absorb(self, part: Recording) -> None:
        """Add what another process took down of the same run."""
        for kind, slices in part.latencies.items():
            for piece in slices:
                self._add(kind, piece.at_s, piece.histogram, piece.count)
        for name, seconds in part.counts.items():
            for at_s, number in seconds:
                own = self._counts[name]
                own[at_s] = own.get(at_s, 0) + number
        self.happenings += part.happenings
        for what in part.violations:
            self.violated(what)

    def happened(self, kind: str, what: str) -> None:
        """A fault, or what the server did."""
        self.happenings.append(Happening(round(self.now_s(), 3), kind, what))

    def promised(self, promised_s: float, actual_s: float) -> None:
        """What somebody was told, and what came of it; the first are kept, and then every tenth of
        an ever longer run: they are a cloud in a plot.
        """
        self._promises += 1
        if len(self.promises) < PROMISES_MAX:
            self.promises.append(Promised(round(promised_s, 2), round(actual_s, 2)))
        elif self._promises % 10 == 0:
            self.promises[self._promises // 10 % PROMISES_MAX] = Promised(
                round(promised_s, 2), round(actual_s, 2)
            )

    def fold(self) -> None:
        """Give up the single latencies of seconds that are over. Call it now and then."""
        self._fold_before(int(self.now_s()) - SETTLED_S)

    def finish(self, recording: Recording) -> Recording:
        """Put all of it into the recording of the run."""
        self._fold_before(int(self.now_s()) + SETTLED_S)
        recording.latencies = {
            kind: [
                Slice(second, self._numbers[kind][second], _one(encoded))
                for second, encoded in sorted(seconds.items())
            ]
            for kind, seconds in self._folded.items()
        }
        recording.counts = {
            name: sorted(seconds.items()) for name, seconds in sorted(self._counts.items())
        }
        recording.server = dict(self.server)
        recording.providers = dict(self.providers)
        recording.happenings = sorted(self.happenings, key=lambda happening: happening.at_s)
        recording.promises = self.promises
        recording.violations = self.violations
        return recording

    def _fold_before(self, second: int) -> None:
        for kind, seconds in self._fresh.items():
            for at_s in [at_s for at_s in seconds if at_s < second]:
                latencies = seconds.pop(at_s)
                encoded = histograms.encode(histograms.folded(latencies))
                self._add(kind, at_s, encoded, len(latencies))

    def _add(self, kind: str, second: int, encoded: str, number: int) -> None:
        self._folded[kind].setdefault(second, []).append(encoded)
        self._numbers[kind][second] = self._numbers[kind].get(second, 0) + number


def _one(encoded: list[str]) -> str:
    return encoded[0] if len(encoded) == 1 else histograms.encode(histograms.summed(encoded))
