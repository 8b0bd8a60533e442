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
    """With the phases shaded, and a line for whatever happened. `share` of a phase's word is ours:
    the page leaves out what has no room.
    """
    shades = [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": phase.from_s / 60,
            "x1": phase.to_s / 60,
            "y0": 0,
            "y1": 1,
            "fillcolor": f"$shade-{phase.kind}",
            "line": {"width": 0},
            "layer": "below",
        }
        for phase in recording.phases
    ]
    marks = [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": happening.at_s / 60,
            "x1": happening.at_s / 60,
            "y0": 0,
            "y1": 1,
            "line": {"color": "$fail", "width": 1, "dash": "dot"},
        }
        for happening in recording.happenings
        if happening.kind != "server"
    ]
    kinds = Counter(phase.kind for phase in recording.phases)
    words = [
        {
            "x": (phase.from_s + phase.to_s) / 120,
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
    times = axis("axis.time", range=[0, recording.seconds / 60])
    return figure(traces, times, y, shapes=shades + marks, annotations=words)


def steps(evidence: Evidence) -> int:
    """So many rows make a point."""
    fits = (step for step in _STEPS_S if evidence.recording.seconds <= step * POINTS_MAX)
    return max(1, next(fits, _STEPS_S[-1]) // evidence.step_s)


def minutes(evidence: Evidence) -> list[float]:
    """Where the points of a run lie."""
    size = steps(evidence)
    return [row * evidence.step_s / 60 for row in range(0, evidence.rows, size)]


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
