"""What a benchmark tells: figures, each the median of its runs, with how far these lie apart."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["higher", "lower"]


class BenchFailed(Exception):
    """A measure could not be taken; the text says why, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured quantity."""

    name: str
    unit: str
    better: Better
    runs: tuple[float, ...]
    detail: Mapping[str, object] = field(default_factory=dict)
    elsewhere: float = 0.0
    """Which share of the machine others used meanwhile."""

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    @property
    def spread(self) -> float:
        return spread(self.runs)

    def as_json(self) -> dict[str, object]:
        """As it stands in `bench.json`."""
        told = {"runs": [rounded(run) for run in self.runs], "spread": rounded(self.spread)}
        told["elsewhere"] = rounded(self.elsewhere)
        return {
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "better": self.better,
            "detail": {**told, **self.detail},
        }


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A figure that was asked for and is not told, and why."""

    name: str
    why: str
    is_failure: bool
    """False: it could be measured, and the measurement was void."""


def spread(runs: Sequence[float]) -> float:
    """From the lowest to the highest run, as a share of the median."""
    median = statistics.median(runs)
    return (max(runs) - min(runs)) / median if median else 0.0


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of all do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def rounded(value: float) -> float:
    """Four digits are more than these measurements are worth."""
    return float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value))
