"""Which part of a run one process brings. Pure.

Always true: all shares together are the whole, and nothing is in two of them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self, TypeVar

T = TypeVar("T")


class Share(NamedTuple):
    """One of `of`, counted from 0. As text `0/4`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError`."""
        number, _, of = text.partition("/")
        share = cls(int(number), int(of))
        if not 0 <= share.number < share.of:
            raise ValueError(f"{text} is no share: one of 4 is 0/4, 1/4, 2/4 or 3/4")
        return share

    def take(self, items: Iterable[T]) -> Iterator[T]:
        """Every `of`-th: of arrivals, so that each process has the whole curve, only thinner."""
        return itertools.islice(items, self.number, None, self.of)

    def chance(self, seed: int, purpose: str) -> random.Random:
        """For what need not be the same in all of them. What must be takes the seed itself."""
        return random.Random(f"{seed} {purpose} {self}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
