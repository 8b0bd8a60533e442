"""Latencies as HdrHistograms: three significant digits from a microsecond to an hour.

hdrhistogram's `record_value` takes 3.5 µs, more than the load generator has for a message. So a
second's latencies are kept as they come and folded at once, equal ones together.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

import numpy
from hdrh.histogram import HdrHistogram

LEAST_US: Final = 1
MOST_US: Final = 3_600_000_000
DIGITS: Final = 3
_FINE: Final = 2_048  # below this every microsecond is its own in a histogram of three digits


def empty() -> HdrHistogram:
    """One that holds nothing."""
    return HdrHistogram(LEAST_US, MOST_US, DIGITS)


def folded(latencies_us: array[int]) -> HdrHistogram:
    """The histogram of these; what is out of bounds counts as the bound."""
    histogram = empty()
    if not latencies_us:
        return histogram
    values = numpy.clip(numpy.frombuffer(latencies_us, dtype=numpy.int64), LEAST_US, MOST_US)
    for value, count in zip(*numpy.unique(_rounded(values), return_counts=True), strict=True):
        histogram.record_value(int(value), int(count))
    return histogram


def summed(encoded: Iterable[str]) -> HdrHistogram:
    """The histogram of all that is in these."""
    total = empty()
    for one in encoded:
        total.add(HdrHistogram.decode(one))
    return total


def encode(histogram: HdrHistogram) -> str:
    """V2, compressed, base64: what every HdrHistogram library reads."""
    text: bytes = histogram.encode()
    return text.decode()


def _rounded(
    values: numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]],
) -> numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]:
    """Each as the lowest value that its histogram does not tell from it."""
    widths = numpy.maximum(numpy.floor(numpy.log2(values)).astype(numpy.int64) - 10, 0)
    return (values >> widths) << widths
