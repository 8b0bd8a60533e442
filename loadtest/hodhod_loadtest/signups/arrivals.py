"""When people come: a curve that is fixed before the run, whatever the server does. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FIRST_PART: Final = 1 / 3
OF_ALL: Final = 0.6


@dataclass(frozen=True, slots=True)
class FrontLoaded:
    """Three of five come in the first third: the peak is 1.8 times the mean."""

    people: int
    seconds: float

    @property
    def peak_per_s(self) -> float:
        """People a second in the first third."""
        return self.people * OF_ALL / (self.seconds * FIRST_PART)

    def times_s(self, chance: random.Random) -> Iterator[float]:
        """When each comes, in order: a Poisson process with these two rates."""
        early = round(self.people * OF_ALL)
        edge_s = self.seconds * FIRST_PART
        first = sorted(chance.uniform(0, edge_s) for _ in range(early))
        later = sorted(chance.uniform(edge_s, self.seconds) for _ in range(self.people - early))
        yield from first
        yield from later
