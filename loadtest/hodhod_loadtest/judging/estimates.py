"""What a measure is, and what it comes to: a number, and the draws that tell how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy

from hodhod_loadtest.judging.bootstrap import interval
from hodhod_loadtest.judging.evidence import Evidence, Stretch
from hodhod_loadtest.judging.latencies import Numbers


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was measured, and what it would have been in other draws of the same run's blocks."""

    measured: float
    draws: Numbers | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Of the 95 % interval; `None` for what is counted and not estimated."""
        return None if self.draws is None or not len(self.draws) else interval(self.draws)


Compute = Callable[[Evidence, Stretch], Estimate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """`unit`: ms, s, ratio, share, number, cores, MiB, or per_s."""

    name: str
    unit: str
    about: str
    compute: Compute
    is_cautious: bool = False
    """Judged at the worse end of its interval, and not at what was measured."""

    at: Stretch = None

    def of(self, evidence: Evidence) -> Estimate | None:
        """`None`: the recording has nothing of it."""
        return self.compute(evidence, self.at)


def mean(evidence: Evidence, stretch: Stretch, rows: Numbers) -> Estimate:
    """Over the rows of a stretch."""
    blocks, measured = evidence.blocks(stretch), float(rows.mean())
    draws = blocks.sums(rows) / blocks.sums(numpy.ones_like(rows))
    return Estimate(measured, blocks.widened(draws, measured))
