"""The table that people read; `bench.json` has more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hodhod_loadtest.bench.figures import Figure, rounded
from hodhod_loadtest.bench.suite import Outcome

ELSEWHERE_TOLD: Final = 0.1  # below that, runs differ by more than by what others do


def lines(outcome: Outcome) -> Iterator[str]:
    """One line a figure: name, median, unit, lowest and highest run, what must be known."""
    names = [figure.name for figure in outcome.figures] + [item.name for item in outcome.left_out]
    width = max(map(len, names), default=0)
    units = max((len(figure.unit) for figure in outcome.figures), default=0)
    for figure in outcome.figures:
        value = f"{rounded(figure.value):>10,g}"
        between = f"{rounded(min(figure.runs)):,g} – {rounded(max(figure.runs)):,g}"
        note = "".join(f"; {note}" for note in _notes(figure))
        yield (
            f"{figure.name:<{width}} {value} {figure.unit:<{units}}"
            f"  {between} ({figure.better} is better{note})"
        )
    for item in outcome.left_out:
        yield f"{item.name:<{width}}          – {item.why}"


def _notes(figure: Figure) -> Iterator[str]:
    if figure.elsewhere > ELSEWHERE_TOLD:
        yield f"BUSY: others used {figure.elsewhere:.0%} of the machine"
    if figure.detail.get("held") is False:
        yield "NOT HELD: the server did not keep up with this rate"
    if void := figure.detail.get("void_runs"):
        yield f"{void} void runs left out: the generator was late"
