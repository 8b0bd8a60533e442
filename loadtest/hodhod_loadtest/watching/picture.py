"""A moment as a picture for a terminal of any width. Pure: the same moments, the same picture."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hodhod_loadtest.watching import telling
from hodhod_loadtest.watching.moment import Moment

GOOD, BAD, SOFT = "green", "bold red", "dim"


def picture(name: str, moment: Moment, before: Moment) -> RenderableType:
    """Progress, what flows, how long people wait, and what is wrong."""
    shown: list[RenderableType] = [
        Text.assemble((name, "bold"), "  ", telling.progress(moment), "  ", (moment.phase, GOOD)),
        _bar(moment),
    ]
    if found := telling.flows(moment, before):
        shown.append(_flows(found))
    if waits := telling.waits(moment):
        shown.append(_waits(waits))
    if troubles := telling.troubles(moment):
        shown.append(Text(f"trouble: {troubles}", BAD))
    if moment.happened:
        shown.append(Text(f"last: {moment.happened}", SOFT))
    if lag := telling.lag(moment):
        shown.append(Text(lag, BAD if moment.is_late else SOFT))
    return Group(*shown)


def _bar(moment: Moment) -> Table:
    """In a table, because a bar alone does not end its line."""
    grid = Table.grid()
    grid.add_row(
        ProgressBar(total=max(moment.of_s, 0.001), completed=min(moment.at_s, moment.of_s))
    )
    return grid


def _flows(found: list[telling.Flow]) -> Table:
    table = _table("", "came", "done", "a second")
    for flow in found:
        table.add_row(
            flow.what, f"{flow.come:,}", f"{flow.done:,} {flow.done_as}", f"{flow.per_s:,.0f}"
        )
    return table


def _waits(found: list[telling.Wait]) -> Table:
    table = _table("waiting for", "p50", "p95", "p99")
    for wait in found:
        table.add_row(*wait)
    return table


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=SOFT)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", min_width=12)
    return table
