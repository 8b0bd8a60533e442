"""What `/metrics` tells, read with one pattern a name: a parser of everything would cost more than
the server spends on writing it.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from typing import Final

LOAD_LEVEL: Final = "hodhod_load_level"
LOOP_LAG: Final = "hodhod_loop_lag_seconds"
POOL_WAIT: Final = "hodhod_pool_wait_seconds"
Histogram = dict[float, float]
"""How many were at most so large, by the upper edges of the buckets."""

_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


def histogram(text: str, name: str) -> Histogram:
    """One without labels of its own, counted since the process began; empty where it is not."""
    told = values(text, f"{name}_bucket")
    return {float(labels["le"]): value for labels, value in told}


def values(text: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    """Every series of this name: labels and value."""
    for labels, value in _pattern(name).findall(text):
        yield dict(_LABEL.findall(labels)), float(value)


def find_p99(before: Histogram, after: Histogram) -> float | None:
    """Of what was counted in between, the edge of the bucket that has it; `None` of nothing."""
    counts = {edge: after[edge] - before.get(edge, 0.0) for edge in sorted(after)}
    total = counts.get(math.inf, 0.0)
    if total <= 0:
        return None
    return next(edge for edge, count in counts.items() if count >= 0.99 * total)


@functools.cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"^{name}(?:\{{(.*?)\}})? (\S+)$", re.MULTILINE)
