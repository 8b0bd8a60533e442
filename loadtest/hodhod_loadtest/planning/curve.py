"""What messages cost one gateway and the engines behind it, at any rate. Pure.

A message alone wakes everybody for itself; many share wake-ups and commits. So CPU grows slower
than the rate. Between measured rates it is read off the straight line in logarithms.

Always true: more messages never take less CPU. Below what was measured the CPU of the lowest rate
is told, above it the cost of a message at the highest: both are more than it can be.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Load(NamedTuple):
    """Messages a second through one gateway process, and the CPU-seconds a second they took."""

    per_s: float
    cores: Mapping[str, float]
    """By role: of the gateway itself, and of each engine on behalf of it."""

    @property
    def total(self) -> float:
        """Cores of all roles."""
        return sum(self.cores.values())


class CostCurve:
    """Measured loads. Raises `ValueError` without any."""

    def __init__(self, loads: Iterable[Load]) -> None:
        self.loads: Sequence[Load] = sorted(loads)
        if not self.loads or self.loads[0].per_s <= 0:
            raise ValueError("a cost curve needs measured rates")
        self.roles = sorted({role for load in self.loads for role in load.cores})
        self._rates = [load.per_s for load in self.loads]
        self._cores = {
            role: list(
                itertools.accumulate((load.cores.get(role, 0.0) for load in self.loads), max)
            )
            for role in self.roles
        }

    @property
    def lowest_per_s(self) -> float:
        """Below it nothing was measured."""
        return self._rates[0]

    @property
    def highest_per_s(self) -> float:
        """Above it nothing was measured."""
        return self._rates[-1]

    def cores(self, role: str, per_s: float) -> float:
        """CPU-seconds a second of one role for one gateway process at this rate."""
        cores = self._cores.get(role)
        if cores is None:
            return 0.0
        if per_s <= self._rates[0]:
            return cores[0]
        if per_s >= self._rates[-1]:
            return cores[-1] * per_s / self._rates[-1]
        after = bisect.bisect_right(self._rates, per_s)
        before = after - 1
        if cores[before] <= 0:
            return cores[after]
        share = math.log(per_s / self._rates[before]) / math.log(
            self._rates[after] / self._rates[before]
        )
        return cores[before] * float((cores[after] / cores[before]) ** share)

    def total(self, per_s: float) -> float:
        """Of all roles."""
        return sum(self.cores(role, per_s) for role in self.roles)
