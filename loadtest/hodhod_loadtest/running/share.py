"""Which part of those who are inside one process plays, and when they are due. Pure.

All processes draw the same moments, and each keeps those of its own people. So however many there
are, the same people do the same at the same moments, and a run is repeated by its seed.

Always true: all shares together are the whole, and nothing is in two of them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.shapes.times import poisson

T = TypeVar("T")


class Share(NamedTuple):
    """One of `of`, counted from 0. As text `0/4`."""

    number: int = 0
    of: int = 1

    def of_crowd(self, crowd: int) -> Share:
        """The first of each crowd is in another process, so that small ones are not all in one."""
        return Share((self.number - crowd) % self.of, self.of)

    def take(self, items: Iterable[T]) -> Iterator[T]:
        """Every `of`-th."""
        return itertools.islice(items, self.number, None, self.of)

    def chance(self, seed: int, purpose: str) -> random.Random:
        """For what need not be the same in all of them. What must be takes the seed itself."""
        return random.Random(f"{seed} {purpose} {self}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


class Turns:
    """When our share of a crowd acts, whose people do so one after the other, again and again.

    `chance` is to be alike in all processes.
    """

    def __init__(self, share: Share, people: int, chance: random.Random) -> None:
        ours = set(share.take(range(people)))
        self._is_ours = itertools.cycle([turn in ours for turn in range(people)])
        self._chance = chance

    def due_s(self, curve: Curve) -> list[float]:
        """The moments of a curve, which is the whole crowd's, at which one of ours acts."""
        return [due_s for due_s in poisson(curve, self._chance) if next(self._is_ours)]
