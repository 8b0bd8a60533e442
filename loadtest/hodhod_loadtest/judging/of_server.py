"""Measures of what the server used, and of how long its parts waited, by role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy

from hodhod_loadtest.judging.estimates import Compute, Estimate, Measure, mean
from hodhod_loadtest.judging.evidence import Evidence, Stretch
from hodhod_loadtest.recording.model import Sample

ROLES: Final = (
    "gateway",
    "signup",
    "media",
    "worker",
    "postgres",
    "valkey",
    "all",  # one process for everything: a negative control
    "supervisor",
)


def _samples(evidence: Evidence, role: str, stretch: Stretch) -> list[Sample]:
    phases = evidence.phases(stretch)
    return [
        sample
        for sample in evidence.recording.server.get(role, ())
        if any(phase.from_s <= sample.at_s < phase.to_s for phase in phases)
    ]


def _cores(*roles: str) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        used = [_samples(evidence, role, stretch) for role in roles]
        if not any(used):
            return None
        rows = numpy.zeros(evidence.rows)
        for sample in (sample for samples in used for sample in samples):
            rows[evidence.row_at(sample.at_s)] += sample.cpu_s
        each_s = rows[evidence.rows_of(stretch)] / evidence.step_s
        return mean(evidence, stretch, each_s)

    return compute


def _most(role: str, value: Callable[[Sample], float | None]) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        told = [value(sample) for sample in _samples(evidence, role, stretch)]
        known = [one for one in told if one is not None]
        return Estimate(max(known)) if known else None

    return compute


def server_measures() -> Iterator[Measure]:
    yield Measure(
        name="server.cores",
        unit="cores",
        about="CPU-seconds a second, of all roles and engines together.",
        compute=_cores(*ROLES),
    )
    columns: tuple[tuple[str, str, str, Callable[[Sample], float | None]], ...] = (
        ("rss_mib", "MiB", "The most memory of a role.", lambda sample: sample.rss_kib / 1024),
        (
            "loop_lag_p99_ms",
            "ms",
            "Lag of its event loop in the worst second.",
            lambda one: one.loop_lag_p99_ms,
        ),
        (
            "pool_wait_p99_ms",
            "ms",
            "Wait for a connection to PostgreSQL in the worst second.",
            lambda one: one.pool_wait_p99_ms,
        ),
    )
    for role in ROLES:
        yield Measure(
            name=f"server.{role}.cores",
            unit="cores",
            about=f"CPU-seconds a second of {role}.",
            compute=_cores(role),
        )
        for name, unit, about, value in columns:
            yield Measure(
                name=f"server.{role}.{name}", unit=unit, about=about, compute=_most(role, value)
            )
