"""Measures of how long something took, and of how many were done so soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy

from hodhod_loadtest.judging.estimates import Compute, Estimate, Measure
from hodhod_loadtest.judging.evidence import Evidence, Stretch

KINDS: Final = {
    "message": "message",
    "ack": "ack",
    "code": "code",
    "signup": "signup",
    "return": "return",
    "returns": "return",
    "upload": "upload",
    "reconnect": "reconnect",
}
"""What a measure's name begins with → the kind of latency in the recording."""

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
BASELINE, SURGE = "baseline", "surge"
AT_ALL_S: Final = 1e9
SOON_S: Final = {
    "in_share": AT_ALL_S,
    **{f"in_{seconds}s_share": seconds for seconds in (30, 60, 120, 300, 600)},
}


def _quantile(kind: str, share: float, unit_us: float) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        told = evidence.latencies_in(kind, stretch)
        if told is None:
            return None
        blocks, measured_us = evidence.blocks(stretch), told.quantile_us(share)
        draws = blocks.widened(blocks.quantiles_us(told, share), measured_us)
        return Estimate(measured_us / unit_us, draws / unit_us)

    return compute


def _ratio(kind: str, share: float) -> Compute:
    quantile = _quantile(kind, share, 1.0)

    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        above, below = quantile(evidence, stretch or SURGE), quantile(evidence, BASELINE)
        if above is None or below is None or above.draws is None or below.draws is None:
            return None
        if below.measured == numpy.inf:
            return None
        with numpy.errstate(invalid="ignore"):
            draws = above.draws / below.draws
        # Who waited for ever in both says nothing good of either.
        draws = numpy.where(numpy.isnan(draws), numpy.inf, draws)
        return Estimate(above.measured / below.measured, draws)

    return compute


def _within(kind: str, seconds: float) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        told = evidence.latencies_in(kind, stretch)
        if told is None:
            return None
        soon = told.counts[:, told.values_us <= seconds * 1e6].sum(axis=1)
        due = told.counts.sum(axis=1) + told.missing
        blocks = evidence.blocks(stretch)
        measured = told.share_within(seconds)
        draws = blocks.widened(blocks.sums(soon) / numpy.maximum(1.0, blocks.sums(due)), measured)
        return Estimate(measured, numpy.minimum(draws, 1.0))

    return compute


def latency_measures() -> Iterator[Measure]:
    for prefix, kind in KINDS.items():
        for label, share in QUANTILES.items():
            what = f"So long took the {label} of {kind}"
            for unit, unit_us in (("ms", 1e3), ("s", 1e6)):
                yield Measure(
                    name=f"{prefix}.{label}_{unit}",
                    unit=unit,
                    about=f"{what}, counted from when it was due.",
                    compute=_quantile(kind, share, unit_us),
                )
            yield Measure(
                name=f"{prefix}.{label}_ratio",
                unit="ratio",
                about=f"{what} in the surge, in terms of the baseline.",
                compute=_ratio(kind, share),
                is_cautious=True,
            )
    for people, kind in (("signups", "signup"), ("returns", "return")):
        for name, seconds in SOON_S.items():
            when = f"within {seconds:g} s of when they were due" if seconds < AT_ALL_S else "at all"
            yield Measure(
                name=f"{people}.{name}",
                unit="share",
                about=f"Of all who came, how many were in {when}.",
                compute=_within(kind, seconds),
            )
