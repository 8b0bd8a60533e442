"""One kind's latencies as a matrix: a row for each second, a column for each value that occurred.

Quantiles of any stretch, and of any resampling of it, are then sums of rows. A row says what was
*due* in its second; who was due and never had an answer is in `missing` and waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from hodhod_loadtest.recording.model import Slice

Numbers = NDArray[numpy.float64]
Marks = NDArray[numpy.bool_]
"""One for each row: is it meant?"""

Rows = Marks | NDArray[numpy.int64]
"""Which: marks, or their numbers."""

_HALF: Final = 1_024  # so many values has each octave but the first, with three digits


@dataclass(frozen=True, slots=True)
class Latencies:
    """`counts[row, column]` latencies of `values_us[column]`; values rise."""

    values_us: Numbers
    counts: Numbers
    missing: Numbers

    def among(self, rows: Rows) -> Latencies:
        """Those that were due in these seconds."""
        return Latencies(self.values_us, self.counts[rows], self.missing[rows])

    @property
    def total(self) -> float:
        """All, with those that never came."""
        return float(self.counts.sum() + self.missing.sum())

    def quantile_us(self, share: float) -> float:
        """The least latency that so many did not exceed; infinite where they never came."""
        sums = numpy.cumsum(self.counts.sum(axis=0))
        reached = int(numpy.searchsorted(sums, share * self.total - 1e-6))
        return float(self.values_us[reached]) if reached < len(sums) else float("inf")

    def share_within(self, seconds: float) -> float:
        """Of all that were due, how many took at most so long."""
        soon = self.counts[:, self.values_us <= seconds * 1e6].sum()
        return float(soon / self.total) if self.total else float("nan")


def read(
    slices: Sequence[Slice], rows: int, row_at: Callable[[float], int], due: Numbers | None
) -> Latencies:
    """The matrix of a recording's slices; `due`: how many were due in each row, if it is known."""
    places, counted, of_row = [], [], []
    for piece in slices:
        cells = numpy.frombuffer(HdrHistogram.decode(piece.histogram).counts, dtype=numpy.uint64)
        filled = numpy.nonzero(cells)[0]
        places.append(filled)
        counted.append(cells[filled].astype(numpy.int64))
        of_row.append(numpy.full(len(filled), row_at(piece.at_s)))
    columns, column_of = numpy.unique(_joined(places), return_inverse=True)
    counts = numpy.zeros((rows, len(columns)))
    numpy.add.at(counts, (_joined(of_row), column_of), _joined(counted))
    missing = numpy.zeros(rows) if due is None else _missing(due, counts.sum(axis=1))
    return Latencies(_highest_values(columns), counts, missing)


def _missing(due: Numbers, done: Numbers) -> Numbers:
    """Who was due and never done. People are counted when they come, which may be a second after
    they were due: who is done in a row before their count is not missing in the row of it.
    """
    missing, ahead = numpy.zeros_like(due), 0.0
    for row, more in enumerate(due - done):
        missing[row] = max(0.0, more - ahead)
        ahead = max(0.0, ahead - more)
    return missing


def _joined(arrays: list[NDArray[numpy.int64]]) -> NDArray[numpy.int64]:
    return numpy.concatenate(arrays) if arrays else numpy.zeros(0, dtype=numpy.int64)


def _highest_values(places: NDArray[numpy.int64]) -> Numbers:
    """For each cell the highest value that it does not tell from others, as the library says."""
    octaves = numpy.maximum(places // _HALF - 1, 0)
    within = numpy.where(places < 2 * _HALF, places, places % _HALF + _HALF)
    highest: Numbers = (((within + 1) << octaves) - 1).astype(numpy.float64)
    return highest
