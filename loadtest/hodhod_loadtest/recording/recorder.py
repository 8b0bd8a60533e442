"""Takes down a run as it goes, for next to nothing a time.

Always true: a second that is over long enough is folded (`SETTLED_S` after what was due in it, what
still comes is folded later and added), so memory grows with seconds and not with people.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from typing import Final

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


class Recorder:
    """`clock` is the generator's; every `due_s` and `at_s` is its time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started_s = clock()
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
        second, seconds = int(self.now_s()), self._counts[name]
        seconds[second] = seconds.get(second, 0) + number

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
                self._folded[kind].setdefault(at_s, []).append(encoded)
                self._numbers[kind][at_s] = self._numbers[kind].get(at_s, 0) + len(latencies)


def _one(encoded: list[str]) -> str:
    return encoded[0] if len(encoded) == 1 else histograms.encode(histograms.summed(encoded))
