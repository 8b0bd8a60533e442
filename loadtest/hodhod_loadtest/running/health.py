"""Was the generator on time? Where it was not, the run tells of it and not of the server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Generator, Recording, Slice
from hodhod_loadtest.scenarios.model import Stopwatch

LAGS: Final = {"lag.inside": "messages", "lag.outside": "arrivals"}
"""What was late. Behind a kind may stand which process it is of: each has to be on time."""


def health(recording: Recording, stopwatch: Stopwatch, cpu_s: float, processes: int) -> Generator:
    """The verdict on the generator, by its own lag against what the scenario allows."""
    allowed_ms = {
        "lag.inside": stopwatch.lag_p99_ms_max,
        "lag.outside": stopwatch.newcomers_lag_p99_ms_max,
    }
    lags_ms = {
        kind: _p99_ms(slices)
        for kind, slices in sorted(recording.latencies.items())
        if slices and kind.partition(" ")[0] in LAGS
    }
    late = [
        f"{_what(kind)} were {lag_ms:.1f} ms late (p99), at most {most_ms:g} are allowed"
        for kind, lag_ms in lags_ms.items()
        if lag_ms > (most_ms := allowed_ms[kind.partition(" ")[0]])
    ]
    return Generator(
        lag_p99_ms=round(max(lags_ms.values(), default=0.0), 3),
        cpu_s=round(cpu_s, 2),
        processes=processes,
        is_valid=not late,
        why="; ".join(late),
    )


def _what(kind: str) -> str:
    lag, _, process = kind.partition(" ")
    return f"{LAGS[lag]} of process {process}" if process else LAGS[lag]


def _p99_ms(slices: Sequence[Slice]) -> float:
    total = histograms.summed(piece.histogram for piece in slices)
    return float(total.get_value_at_percentile(99)) / 1000
