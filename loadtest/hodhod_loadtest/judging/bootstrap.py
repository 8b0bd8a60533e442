"""How sure a figure is: the moving-block bootstrap.

Latencies of neighbouring seconds go together: a pause of the server makes thousands of slow
messages and is one event. Drawing single messages anew would take them for thousands of proofs, so
blocks of ten seconds are drawn, with each phase closed to a ring so that its ends count like its
middle.

Always the same for the same recording and seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy

from hodhod_loadtest.judging.latencies import Latencies, Numbers

BLOCK_S: Final = 10
BLOCKS_MIN: Final = 5
"""A stretch too short for so many blocks is cut into so many shorter ones."""

RESAMPLES: Final = 1_000
CONFIDENCE: Final = 0.95
Z: Final = 1.96
"""So many standard deviations hold 95 % of a normal law."""


class Blocks:
    """The same draws of blocks for everything that is asked of one stretch of a run.

    `phases` are the lengths of its phases in rows. Each is drawn by itself, so that every
    resampling has as much calm and as much surge as the run had.
    """

    def __init__(
        self, phases: Sequence[int], step_s: int, chance: numpy.random.Generator, number: int
    ) -> None:
        self._phases = [rows for rows in phases if rows]
        self._lengths = [
            max(1, min(BLOCK_S // step_s, rows // BLOCKS_MIN)) for rows in self._phases
        ]
        drawn = [
            max(1, round(rows / length))
            for rows, length in zip(self._phases, self._lengths, strict=True)
        ]
        self._weights: Numbers = numpy.hstack(
            [
                _how_often(rows, blocks, chance, number)
                for rows, blocks in zip(self._phases, drawn, strict=True)
            ]
        )
        self._widening: Final = _widening(sum(drawn))

    def widened(self, draws: Numbers, measured: float) -> Numbers:
        """Draws of few blocks lie too close together: their distances from what was measured, in
        proportion, grow as Student's t is wider than the normal law.
        """
        if not 0 < measured < numpy.inf:
            return draws
        told: Numbers = measured * (numpy.maximum(draws, 0.0) / measured) ** self._widening
        return told

    def sums(self, rows: Numbers) -> Numbers:
        """What the rows come to in each resampling."""
        resummed: Numbers = self._weights @ self._windows(rows)
        return resummed

    def quantiles_us(self, latencies: Latencies, share: float) -> Numbers:
        """The quantile in each resampling.

        A mixture's quantile lies between the least and the largest of its parts', so only columns
        between those of the blocks are looked at: exact, and many times less to sum.
        """
        windows = self._windows(latencies.counts)
        totals = windows.sum(axis=1) + self._windows(latencies.missing)
        reached = (numpy.cumsum(windows, axis=1) < share * totals[:, None] - 1e-6).sum(axis=1)
        least, largest = _bounds(reached, totals)
        kept = numpy.hstack(
            [windows[:, :least].sum(axis=1, keepdims=True), windows[:, least : largest + 1]]
        )
        sums = numpy.cumsum(self._weights @ kept, axis=1)
        goals = share * (self._weights @ totals) - 1e-6
        columns = least - 1 + (sums < goals[:, None]).sum(axis=1)
        values = numpy.append(latencies.values_us, numpy.inf)
        told: Numbers = values[numpy.clip(columns, 0, len(values) - 1)]
        return told

    def _windows(self, rows: Numbers) -> Numbers:
        """The sum of the block that begins at each row, round the ring of its phase."""
        ends = numpy.cumsum(self._phases)[:-1]
        phases = numpy.split(rows, ends)
        return numpy.concatenate(
            [_sums(phase, length) for phase, length in zip(phases, self._lengths, strict=True)]
        )


def interval(draws: Numbers, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Between these bounds lie so many of the draws, as many left out below as above."""
    outside = (1 - confidence) / 2
    ordered = numpy.sort(draws)
    last = len(ordered) - 1
    return float(ordered[int(outside * last)]), float(ordered[-1 - int(outside * last)])


def _widening(blocks: int) -> float:
    """1.6 for five blocks, 1.1 for twenty, 1 for many."""
    if blocks < 2:
        return 1.0
    freedom, z = blocks - 1, Z
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return float(t / z * (blocks / freedom) ** 0.5)


def _how_often(rows: int, drawn: int, chance: numpy.random.Generator, number: int) -> Numbers:
    """For each resampling, how often a block begins at each row."""
    starts = chance.integers(0, rows, size=(number, drawn))
    places = starts + rows * numpy.arange(number)[:, None]
    told: Numbers = numpy.bincount(places.ravel(), minlength=number * rows).astype(numpy.float64)
    return told.reshape(number, rows)


def _sums(rows: Numbers, length: int) -> Numbers:
    ring = numpy.concatenate([rows, rows[: length - 1]])
    sums = numpy.cumsum(ring, axis=0)
    windows: Numbers = sums[length - 1 :].copy()
    windows[1:] -= sums[: len(windows) - 1]
    return windows


def _bounds(reached: Numbers, totals: Numbers) -> tuple[int, int]:
    asked = reached[totals > 0]
    return (int(asked.min()), int(asked.max())) if len(asked) else (0, 0)
