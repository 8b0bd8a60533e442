"""A recording, made ready for measures: matrices, stretches of the run, and draws of the bootstrap.

Everything is made when it is first asked for and kept, since many measures ask for the same.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy

from hodhod_loadtest.judging import latencies as matrices
from hodhod_loadtest.judging.bootstrap import RESAMPLES, Blocks
from hodhod_loadtest.judging.latencies import Latencies, Marks, Numbers
from hodhod_loadtest.recording.model import Phase, Recording

ROWS_MAX: Final = 1_800
"""Longer runs have rows of 2, 5 or 10 seconds, which keeps a matrix below some 100 MB."""

_STEPS_S: Final = (1, 2, 5, 10)

WHO_WAITS: Final = {
    "code": "arrived.newcomers",
    "signup": "arrived.newcomers",
    "return": "arrived.returners",
}
"""Latency → the count of people who wait for it: whoever has none at the end waited in vain."""

Stretch = str | None
"""The kind or name of a phase, or `None`: all of the run but warming up."""


class Evidence:
    """Of one recording. Another `seed` draws other blocks of the same run."""

    def __init__(self, recording: Recording, seed: int = 0, resamples: int = RESAMPLES) -> None:
        self.recording: Final = recording
        self._seed = [abs(recording.seed), seed]
        self.resamples: Final = resamples
        self.step_s: Final = next(
            (step for step in _STEPS_S if recording.seconds <= step * ROWS_MAX), _STEPS_S[-1]
        )
        self.rows: Final = max(1, math.ceil(recording.seconds / self.step_s))
        self._latencies: dict[str, Latencies | None] = {}
        self._blocks: dict[Stretch, Blocks] = {}

    def latencies(self, kind: str) -> Latencies | None:
        """All of this kind; `None`: none were recorded."""
        if kind not in self._latencies:
            slices = self.recording.latencies.get(kind)
            waiting = WHO_WAITS.get(kind, "")
            due = self.counted(waiting) if waiting in self.recording.counts else None
            self._latencies[kind] = (
                matrices.read(slices, self.rows, self.row_at, due) if slices else None
            )
        return self._latencies[kind]

    def latencies_in(self, kind: str, stretch: Stretch) -> Latencies | None:
        """Of this kind, due in this stretch; `None`: there are none."""
        told, rows = self.latencies(kind), self.rows_of(stretch)
        if told is None or not rows.any():
            return None
        some = told.among(rows)
        return some if some.total > 0 else None

    def counted(self, name: str) -> Numbers:
        """How often this was counted in each row."""
        rows = numpy.zeros(self.rows)
        for at_s, number in self.recording.counts.get(name, ()):
            rows[self.row_at(at_s)] += number
        return rows

    def counted_of(self, area: str) -> dict[str, Numbers]:
        """`error` → the counts of every `error.…`, by what stands behind the point."""
        prefix = f"{area}."
        names = [name for name in self.recording.counts if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.counted(name) for name in names}

    def row_at(self, at_s: float) -> int:
        """The row of a moment; what came after the end belongs to the last one."""
        return max(0, min(int(at_s) // self.step_s, self.rows - 1))

    def phases(self, stretch: Stretch) -> list[Phase]:
        """Those that make up a stretch."""
        every = self.recording.phases or [Phase("", "", 0.0, self.recording.seconds)]
        if stretch is None:
            return [phase for phase in every if phase.kind != "warm"]
        return [phase for phase in every if stretch in (phase.kind, phase.name)]

    def phases_at(self, at_s: float) -> list[Phase]:
        """The one that this moment lies in, if any."""
        every = self.recording.phases or [Phase("", "surge", 0.0, self.recording.seconds)]
        return [phase for phase in every if phase.from_s <= at_s < phase.to_s]

    def rows_of(self, stretch: Stretch) -> Marks:
        """The rows that belong to it."""
        return self._rows_of(self.phases(stretch))

    def _rows_of(self, phases: Sequence[Phase]) -> Marks:
        at_s = numpy.arange(self.rows) * self.step_s
        rows = numpy.zeros(self.rows, dtype=numpy.bool_)
        for phase in phases:
            rows |= (at_s >= phase.from_s) & (at_s < phase.to_s)
        return rows

    def blocks(self, stretch: Stretch) -> Blocks:
        """The draws of this stretch: the same for every measure of it."""
        if stretch not in self._blocks:
            chance = numpy.random.default_rng([*self._seed, zlib.crc32((stretch or "").encode())])
            rows = [int(self._rows_of([phase]).sum()) for phase in self.phases(stretch)]
            self._blocks[stretch] = Blocks(rows, self.step_s, chance, self.resamples)
        return self._blocks[stretch]

    def chance(self, about: str) -> numpy.random.Generator:
        """For draws that are not of blocks."""
        return numpy.random.default_rng([*self._seed, 1, zlib.crc32(about.encode())])


def total(counts: Iterable[Numbers]) -> float:
    """Over all rows of all of them."""
    return float(sum(rows.sum() for rows in counts))
