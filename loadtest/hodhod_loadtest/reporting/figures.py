"""The figures of a report, each by its name; what a recording does not have has no figure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy

from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.latencies import Latencies, Numbers
from hodhod_loadtest.judging.of_latencies import BASELINE, SURGE
from hodhod_loadtest.judging.of_server import ROLES
from hodhod_loadtest.recording.model import ProviderSample, Recording, Sample
from hodhod_loadtest.reporting.plot import (
    Figure,
    Trace,
    axis,
    figure,
    line,
    log_axis,
    moments,
    over_time,
    quantiles,
    rates,
)

KINDS: Final = ("message", "ack", "code", "signup", "return", "upload", "reconnect")
IN_SECONDS: Final = {"code", "signup", "upload", "reconnect"}
SHOWN: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
SERVER: Final[dict[str, tuple[str, Callable[[Sample], float | None]]]] = {
    "cpu": ("axis.cores", lambda sample: sample.cpu_s),
    "rss": ("axis.MiB", lambda sample: sample.rss_kib / 1024),
    "loop_lag": ("axis.ms", lambda sample: sample.loop_lag_p99_ms),
    "pool_wait": ("axis.ms", lambda sample: sample.pool_wait_p99_ms),
}
PROMISES_MAX: Final = 1_500
_RARE: Final = {1: "0 %", 10: "90 %", 100: "99 %", 1_000: "99.9 %", 10_000: "99.99 %"}


def figures(evidence: Evidence, control: Evidence | None) -> dict[str, Figure]:
    """All that there are."""
    return dict(_figures(evidence, control))


def _figures(evidence: Evidence, control: Evidence | None) -> Iterator[tuple[str, Figure]]:
    for kind in KINDS:
        told = evidence.latencies(kind)
        if told is not None:
            yield f"latency.{kind}", _latency(evidence, kind, told)
    if evidence.latencies("message") is not None:
        yield "spectrum", spectrum("message", _spectra(evidence, control))
        yield "throughput", _throughput(evidence)
        if control is not None and control.latencies("message") is not None:
            runs = [("@control title", "soft", control), ("@this run", "p99", evidence)]
            yield "control", latencies_beside(evidence.recording, runs)
    yield from _of_people(evidence)
    yield from _of_generator(evidence)
    yield from _of_server(evidence)


def _of_people(evidence: Evidence) -> Iterator[tuple[str, Figure]]:
    if any(name.startswith("arrived.") for name in evidence.recording.counts):
        yield "people", _people(evidence)
    if in_use(evidence.recording):
        yield "funnel", _funnel(evidence)
        yield "handed", _handed(evidence)
    if evidence.recording.promises:
        yield "promises", _promises(evidence)
    troubles = {**_prefixed(evidence, "error"), **_prefixed(evidence, "refused")}
    if troubles:
        yield "errors", _errors(evidence, troubles)


def _of_generator(evidence: Evidence) -> Iterator[tuple[str, Figure]]:
    """Its own lag: latencies called `lag.…`, one for each of its processes' kinds."""
    lags = [kind for kind in evidence.recording.latencies if kind.partition(".")[0] == "lag"]
    traces = []
    for number, kind in enumerate(lags):
        told = evidence.latencies(kind)
        if told is not None:
            [points] = quantiles(evidence, told, [0.99])
            traces.append(
                line(f"@series.{kind}", f"role-{number}", moments(evidence), _scaled(points, 1e3))
            )
    if traces:
        yield "generator", over_time(traces, log_axis("axis.ms"), evidence.recording)


def _of_server(evidence: Evidence) -> Iterator[tuple[str, Figure]]:
    recording = evidence.recording
    for name, (unit, value) in SERVER.items():
        traces = [
            _role(role, number, recording.server.get(role, ()), value)
            for number, role in enumerate(ROLES)
        ]
        known = [trace for trace in traces if any(one is not None for one in trace["y"])]
        if known:
            yield f"server.{name}", over_time(known, axis(unit, rangemode="tozero"), recording)


def _scale(kind: str) -> tuple[str, float]:
    return ("axis.s", 1e6) if kind in IN_SECONDS else ("axis.ms", 1e3)


def _latency(evidence: Evidence, kind: str, told: Latencies) -> Figure:
    unit, scale = _scale(kind)
    shown = SHOWN if kind in ("message", "ack") else {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    series = quantiles(evidence, told, list(shown.values()))
    traces = [
        line(f"@quantile.{label}", label, moments(evidence), _scaled(points, scale))
        for label, points in zip(shown, series, strict=True)
    ]
    return over_time(traces, log_axis(unit), evidence.recording)


def _scaled(points: Sequence[float | None], scale: float) -> list[float | None]:
    return [None if point is None else point / scale for point in points]


def _spectra(
    evidence: Evidence, control: Evidence | None
) -> Iterator[tuple[str, str, Latencies | None]]:
    """Name, colour, latencies."""
    if any(phase.kind == SURGE for phase in evidence.recording.phases):
        yield "@phase.baseline", "p50", evidence.latencies_in("message", BASELINE)
        yield "@phase.surge", "p99", evidence.latencies_in("message", SURGE)
        if control is not None:
            yield "@control title", "soft", control.latencies_in("message", SURGE)
    else:
        yield "@whole run", "p99", evidence.latencies_in("message", None)


def spectrum(kind: str, spectra: Iterator[tuple[str, str, Latencies | None]]) -> Figure:
    """Latency by how rare it is, both on logarithmic axes."""
    unit, scale = _scale(kind)
    traces = []
    for name, colour, told in spectra:
        if told is None:
            continue
        rare = [1 / 0.999, *(10 ** (step / 12) for step in range(1, 61))]
        rare = [one for one in rare if one <= told.total / 2]
        points = [(one, told.quantile_us(1 - 1 / one)) for one in rare]
        known = [(one, latency) for one, latency in points if latency != float("inf")]
        traces.append(
            line(name, colour, [one for one, _ in known], [us / scale for _, us in known])
        )
    ticks: dict[str, Any] = {"tickvals": list(_RARE), "ticktext": list(_RARE.values())}
    return figure(
        traces, axis("axis.rare", type="log", **ticks), log_axis(unit), hovermode="closest"
    )


def _throughput(evidence: Evidence) -> Figure:
    told = evidence.latencies("message")
    received = told.counts.sum(axis=1) if told is not None else numpy.zeros(evidence.rows)
    trace = line("@messages received", "p50", moments(evidence), rates(evidence, received))
    return over_time([trace], axis("axis.per_s", rangemode="tozero"), evidence.recording)


def _people(evidence: Evidence) -> Figure:
    looks = {
        "arrived.newcomers": ("p99", "dot"),
        "in.newcomers": ("p99", "solid"),
        "arrived.returners": ("p50", "dot"),
        "in.returners": ("p50", "solid"),
    }
    traces = [
        line(
            f"@series.{name}",
            colour,
            moments(evidence),
            rates(evidence, evidence.counted(name)),
            dash=dash,
        )
        for name, (colour, dash) in looks.items()
        if name in evidence.recording.counts
    ]
    return over_time(traces, axis("axis.per_s", rangemode="tozero"), evidence.recording)


def _role(
    role: str, number: int, samples: Sequence[Sample], value: Callable[[Sample], float | None]
) -> Trace:
    """Thinned to what a plot can show, each point the worst of those that it stands for."""
    size = max(1, len(samples) // 240)
    points = []
    for start in range(0, len(samples), size):
        known = [told for one in samples[start : start + size] if (told := value(one)) is not None]
        points.append((samples[start].at_s, max(known) if known else None))
    return line(role, f"role-{number}", [at for at, _ in points], [told for _, told in points])


def in_use(recording: Recording) -> dict[str, list[ProviderSample]]:
    """Providers that were given anything."""
    return {
        name: told
        for name, told in recording.providers.items()
        if told and told[-1].handed + told[-1].refused
    }


def _funnel(evidence: Evidence) -> Figure:
    """Lying bars, one group for each provider."""
    looks = {"handed": "soft", "delivered": "p50", "verified": "pass", "refused": "fail"}
    ends = {name: told[-1] for name, told in in_use(evidence.recording).items()}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": f"@{stage}",
            "y": list(ends),
            "x": [getattr(end, stage) for end in ends.values()],
            "marker": {"color": f"${colour}"},
            "hovertemplate": "%{x:,}",
        }
        for stage, colour in looks.items()
    ]
    y = {"autorange": "reversed", "fixedrange": True}
    return figure(traces, axis("axis.number"), y, barmode="group", hovermode="closest")


def _handed(evidence: Evidence) -> Figure:
    """How the load goes from one provider to another."""
    traces = []
    for number, (name, samples) in enumerate(in_use(evidence.recording).items()):
        rows = numpy.zeros(evidence.rows)
        for before, after in itertools.pairwise(samples):
            rows[evidence.row_at(after.at_s)] += after.handed - before.handed
        traces.append(line(name, f"role-{number}", moments(evidence), rates(evidence, rows)))
    return over_time(traces, axis("axis.per_s", rangemode="tozero"), evidence.recording)


def _promises(evidence: Evidence) -> Figure:
    promises = evidence.recording.promises
    some = promises[:: max(1, len(promises) // PROMISES_MAX)]
    longest = max(promise.promised_s for promise in promises)
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "@people told",
        "x": [promise.promised_s for promise in some],
        "y": [promise.actual_s for promise in some],
        "marker": {"color": "$p50", "size": 5, "opacity": 0.45},
        "hovertemplate": "%{x:.3~g} → %{y:.3~g} s",
    }
    told = line("@kept line", "p99", [0, longest], [0, longest], dash="dash", hoverinfo="skip")
    x, y = axis("axis.promised", rangemode="tozero"), axis("axis.actual", rangemode="tozero")
    return figure([dots, told], x, y, hovermode="closest")


def _errors(evidence: Evidence, troubles: dict[str, Numbers]) -> Figure:
    most = sorted(troubles, key=lambda name: -float(troubles[name].sum()))[:6]
    traces = [
        {
            "type": "bar",
            "name": name.partition(".")[2],
            "x": moments(evidence),
            "y": [round(rate, 3) for rate in rates(evidence, troubles[name])],
            "marker": {"color": f"$role-{number}"},
            "hovertemplate": "%{y:.3~g}",
        }
        for number, name in enumerate(most)
    ]
    told = over_time(traces, axis("axis.per_s", rangemode="tozero"), evidence.recording)
    told["layout"] |= {"barmode": "stack", "bargap": 0}
    return told


def _prefixed(evidence: Evidence, area: str) -> dict[str, Numbers]:
    return {
        f"{area}.{name}": rows for name, rows in evidence.counted_of(area).items() if rows.any()
    }


def latencies_beside(recording: Recording, runs: Sequence[tuple[str, str, Evidence]]) -> Figure:
    """The p99 of messages of several runs (name, colour, run), over the phases of one of them."""
    traces = []
    for name, colour, of in runs:
        told = of.latencies("message")
        if told is not None:
            [points] = quantiles(of, told, [0.99])
            traces.append(line(name, colour, moments(of), _scaled(points, 1e3)))
    return over_time(traces, log_axis("axis.ms"), recording)
