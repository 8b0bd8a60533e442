"""When each one is due on a curve: evenly, or as people come, by chance. Pure.

Both bring the same number in the same time, so that two runs of one curve are comparable.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from hodhod_loadtest.shapes.curve import Curve


def even(curve: Curve) -> Iterator[float]:
    """At equal distances of the curve's own measure, in order; seconds from the start."""
    for number in range(round(curve.total)):
        yield curve.reaches(number + 0.5)


def poisson(curve: Curve, chance: random.Random) -> Iterator[float]:
    """An inhomogeneous Poisson process of this rate, given how many come; in order.

    Given their number, the moments of such a process are independent of one another, each
    distributed as the rate (Lewis and Shedler 1979). Memory: one float a person.
    """
    total = curve.total
    counts = sorted(chance.uniform(0.0, total) for _ in range(round(total)))
    for count in counts:
        yield curve.reaches(count)
