"""What Plotly needs for a figure, as plain data: no colour and no word is in it.

Strings that begin with `@` name a text (`texts.py`) and those with `$` a colour of the style sheet;
the page puts them in when it draws, since language and light may change while it is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy

from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.latencies import Latencies, Numbers
from hodhod_loadtest.recording.model import Recording

Figure = dict[str, Any]
Trace = dict[str, Any]
POINTS_MAX: Final = 240
MARKED_MAX: Final = 60
SECONDS_MAX: Final = 180
"""Longer runs are told in minutes."""

_STEPS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)


def line(
    name: str, colour: str, x: Iterable[float], y: Iterable[float | None], **more: object
) -> Trace:
    """`more`: `dash`, `fill`, whatever Plotly's scatter takes."""
    dash = more.pop("dash", "solid")
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [round(one, 4) for one in x],
        "y": [None if one is None else _short(one) for one in y],
        "line": {"color": f"${colour}", "width": 1.8, "dash": dash},
        "hovertemplate": "%{y:.3~g}",
    } | more


def figure(traces: Sequence[Trace], x: dict[str, Any], y: dict[str, Any], **more: object) -> Figure:
    """With the axes' own settings; the page adds what all figures share."""
    return {"data": list(traces), "layout": {"xaxis": x, "yaxis": y} | more}


def axis(title: str, **more: object) -> dict[str, Any]:
    """`title` is a text's name."""
    return {"title": {"text": f"@{title}"}} | more


def log_axis(title: str) -> dict[str, Any]:
    """With whole numbers at its ticks: left to itself, Plotly writes a mere 2 for 20."""
    ticks = [step * 10**power for power in range(-2, 7) for step in (1, 2, 5)]
    return axis(title, type="log", tickvals=ticks, ticktext=[f"{tick:,.9g}" for tick in ticks])


def over_time(traces: Sequence[Trace], y: dict[str, Any], recording: Recording) -> Figure:
    """Traces over seconds, with the phases shaded, and a line for whatever happened. `share` of a
    phase's word is ours: the page leaves out what has no room.
    """
    unit_s, name = (60, "axis.minutes") if recording.seconds > SECONDS_MAX else (1, "axis.seconds")
    shades = [
        _upright(phase.from_s / unit_s, phase.to_s / unit_s)
        | {"type": "rect", "fillcolor": f"$shade-{phase.kind}", "layer": "below"}
        | {"line": {"width": 0}}
        for phase in recording.phases
    ]
    marks = [
        _upright(happening.at_s / unit_s, happening.at_s / unit_s)
        | {"type": "line", "line": {"color": "$fail", "width": 1, "dash": "dot"}}
        for happening in recording.happenings
        if happening.kind != "server"
    ]
    times = axis(name, range=[0, recording.seconds / unit_s])
    drawn = [_in_units(trace, unit_s) for trace in traces]
    return figure(drawn, times, y, shapes=shades + marks, annotations=_words(recording, unit_s))


def _upright(from_x: float, to_x: float) -> dict[str, Any]:
    """From the bottom of a figure to its top."""
    return {"xref": "x", "yref": "paper", "x0": from_x, "x1": to_x, "y0": 0, "y1": 1}


def _words(recording: Recording, unit_s: int) -> list[dict[str, Any]]:
    """A phase's kind above it; where several are of a kind, their names."""
    kinds = Counter(phase.kind for phase in recording.phases)
    return [
        {
            "x": (phase.from_s + phase.to_s) / 2 / unit_s,
            "xref": "x",
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "text": f"@phase.{phase.kind}" if kinds[phase.kind] == 1 else phase.name,
            "showarrow": False,
            "font": {"size": 11, "color": "$soft"},
            "share": (phase.to_s - phase.from_s) / recording.seconds,
        }
        for phase in recording.phases
    ]


def _in_units(trace: Trace, unit_s: int) -> Trace:
    """Few points are marked, too: one alone makes no line."""
    told = trace | {"x": [round(at_s / unit_s, 4) for at_s in trace["x"]]}
    if trace["type"] == "scatter" and len(trace["x"]) <= MARKED_MAX:
        told |= {"mode": "lines+markers", "marker": {"size": 4}}
    return told


def steps(evidence: Evidence) -> int:
    """So many rows make a point."""
    fits = (step for step in _STEPS_S if evidence.recording.seconds <= step * POINTS_MAX)
    return max(1, next(fits, _STEPS_S[-1]) // evidence.step_s)


def moments(evidence: Evidence) -> list[float]:
    """Where the points of a run lie, in seconds."""
    return [float(row * evidence.step_s) for row in range(0, evidence.rows, steps(evidence))]


def rates(evidence: Evidence, rows: Numbers) -> list[float]:
    """A second, for each point."""
    size = steps(evidence)
    starts = range(0, evidence.rows, size)
    return [float(rows[start : start + size].mean()) / evidence.step_s for start in starts]


def quantiles(
    evidence: Evidence, told: Latencies, shares: Sequence[float]
) -> list[list[float | None]]:
    """For each share its latency in µs at each point; `None`: nothing was due."""
    size, series = steps(evidence), []
    for start in range(0, evidence.rows, size):
        window = told.among(numpy.arange(start, min(start + size, evidence.rows)))
        series.append([_finite(window, share) for share in shares])
    return [list(column) for column in zip(*series, strict=True)]


def _finite(window: Latencies, share: float) -> float | None:
    latency = window.quantile_us(share) if window.counts.any() else float("inf")
    return None if latency == float("inf") else latency


def _short(value: float) -> float:
    return float(f"{value:.4g}")
