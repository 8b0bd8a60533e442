"""Was the generator on time? Where it was not, the run tells of it and not of the server. Pure."""

from __future__ import annotations

from typing import Final

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Generator, Recording
from hodhod_loadtest.scenarios.model import Stopwatch

LAGS: Final = {"lag.inside": "messages", "lag.outside": "arrivals"}


def health(recording: Recording, stopwatch: Stopwatch, cpu_s: float, processes: int) -> Generator:
    """The verdict on the generator, by its own lag against what the scenario allows."""
    allowed_ms = {
        "lag.inside": stopwatch.lag_p99_ms_max,
        "lag.outside": stopwatch.newcomers_lag_p99_ms_max,
    }
    lags_ms = {kind: _p99_ms(recording, kind) for kind in LAGS if recording.latencies.get(kind)}
    late = [
        f"{LAGS[kind]} were {lag_ms:.1f} ms late (p99), at most {allowed_ms[kind]:g} are allowed"
        for kind, lag_ms in lags_ms.items()
        if lag_ms > allowed_ms[kind]
    ]
    return Generator(
        lag_p99_ms=round(max(lags_ms.values(), default=0.0), 3),
        cpu_s=round(cpu_s, 2),
        processes=processes,
        is_valid=not late,
        why="; ".join(late),
    )


def _p99_ms(recording: Recording, kind: str) -> float:
    total = histograms.summed(piece.histogram for piece in recording.latencies[kind])
    return float(total.get_value_at_percentile(99)) / 1000
