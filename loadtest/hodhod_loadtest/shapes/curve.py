"""A curve of arrivals: how many come a second, in the course of a run. Pure.

Every shape is the same thing: a rate that is linear between points, with jumps where two points
share a time. So constant, ramp, spike, front-loaded and recorded curves need no class of their own,
and when the next one is due is a square root away (`times.py`).

Always true: rates are never negative, times never fall, and `expected` never does either.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

FIRST_PART: Final = 1 / 3
OF_ALL: Final = 0.6


class Point(NamedTuple):
    """From here on the rate goes straight to the next point's."""

    at_s: float
    per_s: float


class Curve:
    """A rate for each moment from 0 to `seconds`. Raises `ValueError` for what is no curve."""

    def __init__(self, points: Iterable[Point | tuple[float, float]]) -> None:
        self.points: Final = tuple(Point(*point) for point in points)
        _require_a_curve(self.points)
        areas = (_area(*pair) for pair in itertools.pairwise(self.points))
        self._sums: Final = tuple(itertools.accumulate(areas, initial=0.0))

    @classmethod
    def constant(cls, per_s: float, seconds: float) -> Self:
        """The same all the time."""
        return cls([(0.0, per_s), (seconds, per_s)])

    @classmethod
    def ramp(cls, from_per_s: float, to_per_s: float, seconds: float) -> Self:
        """Ever more, or ever fewer."""
        return cls([(0.0, from_per_s), (seconds, to_per_s)])

    @classmethod
    def spike(
        cls, per_s: float, spike_per_s: float, seconds: float, at_s: float, for_s: float
    ) -> Self:
        """Constant, but for a while much more, or none."""
        end_s = at_s + for_s
        return cls(
            [(0.0, per_s), (at_s, per_s), (at_s, spike_per_s), (end_s, spike_per_s),
             (end_s, per_s), (seconds, per_s)]
        )  # fmt: skip

    @classmethod
    def front_loaded(cls, people: int, seconds: float) -> Self:
        """Three of five come in the first third, as after the news: the peak is 1.8 × the mean."""
        edge_s = seconds * FIRST_PART
        first, later = people * OF_ALL / edge_s, people * (1 - OF_ALL) / (seconds - edge_s)
        return cls([(0.0, first), (edge_s, first), (edge_s, later), (seconds, later)])

    @classmethod
    def replay(cls, counts: Sequence[float], every_s: float) -> Self:
        """A recorded curve: how many came in each interval, one after the other."""
        points: list[tuple[float, float]] = []
        for number, count in enumerate(counts):
            per_s = count / every_s
            points += [(number * every_s, per_s), ((number + 1) * every_s, per_s)]
        return cls(points)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.points[-1].at_s

    @property
    def total(self) -> float:
        """How many come in all."""
        return self._sums[-1]

    @property
    def peak_per_s(self) -> float:
        """The highest rate."""
        return max(point.per_s for point in self.points)

    def per_s(self, at_s: float) -> float:
        """The rate at a moment; after a jump where there is one; 0 outside."""
        if not 0.0 <= at_s < self.seconds:
            return 0.0
        number = bisect.bisect_right(self.points, at_s, key=lambda point: point.at_s)
        before, after = self.points[number - 1], self.points[number]
        share = (at_s - before.at_s) / (after.at_s - before.at_s)
        return before.per_s + share * (after.per_s - before.per_s)

    def expected(self, at_s: float) -> float:
        """How many have come by then."""
        at_s = min(max(at_s, 0.0), self.seconds)
        number = bisect.bisect_left(self.points, at_s, key=lambda point: point.at_s, lo=1)
        before = self.points[number - 1]
        if at_s == before.at_s:
            return self._sums[number - 1]
        here = Point(at_s, _between(before, self.points[number], at_s))
        return self._sums[number - 1] + _area(before, here)

    def reaches(self, count: float) -> float:
        """When `count` of them have come; the end where so many never do."""
        if count >= self.total:
            return self.seconds
        number = bisect.bisect_right(self._sums, count)
        before, after = self.points[number - 1], self.points[number]
        left, length_s = count - self._sums[number - 1], after.at_s - before.at_s
        slope = (after.per_s - before.per_s) / length_s
        # left = per_s * t + slope / 2 * t², in the form that does not cancel near a slope of zero
        root = math.sqrt(max(0.0, before.per_s**2 + 2 * slope * left))
        below = before.per_s + root
        return before.at_s + min(length_s, 2 * left / below if below > 0 else 0.0)

    def squeezed(self, people: float = 1.0, time: float = 1.0) -> Curve:
        """The same shape with so many times the people in so many times the time."""
        return Curve((point.at_s * time, point.per_s * people / time) for point in self.points)


def _require_a_curve(points: Sequence[Point]) -> None:
    if len(points) < 2 or points[0].at_s != 0.0 or points[-1].at_s <= 0.0:
        raise ValueError("a curve begins at 0 s and ends later")
    for point in points:
        if not (math.isfinite(point.at_s) and math.isfinite(point.per_s)) or point.per_s < 0:
            raise ValueError("a rate is a number, and not below 0")
    if any(one.at_s > other.at_s for one, other in itertools.pairwise(points)):
        raise ValueError("the points of a curve come one after the other")


def _area(one: Point, other: Point) -> float:
    return (other.at_s - one.at_s) * (one.per_s + other.per_s) / 2


def _between(one: Point, other: Point, at_s: float) -> float:
    share = (at_s - one.at_s) / (other.at_s - one.at_s)
    return one.per_s + share * (other.per_s - one.per_s)
