"""A plan and a check as lines, and as values for JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hodhod_loadtest.planning.check import Held
from hodhod_loadtest.planning.costs import Costs
from hodhod_loadtest.planning.demand import Demand, Terms, assumptions
from hodhod_loadtest.planning.model import Part, Plan

HEAD = ("part", "machines", "spare", "cores", "busy", "memory", "network", "disk", "by")


def rows(plan: Plan) -> list[tuple[str, ...]]:
    """A table, the head first."""
    return [HEAD, *(_row(part) for part in plan.parts)]


def _row(part: Part) -> tuple[str, ...]:
    return (
        part.name,
        str(part.machines),
        f"+{part.spare}",
        str(part.cores),
        f"{part.busy:.1f}",
        _or_dash(part.memory_gib, "GiB"),
        _or_dash(part.network_gbit_s, "Gbit/s"),
        _or_dash(part.disk_tb, "TB"),
        part.bound_by,
    )


def _or_dash(value: float, unit: str) -> str:
    if value <= 0:
        return "–"
    return f"{value:,.1f} {unit}" if value >= 0.1 else f"< 0.1 {unit}"


def lines(plan: Plan, demand: Demand, terms: Terms, costs: Costs) -> Iterator[str]:
    """For a terminal."""
    yield (
        f"at the peak: {plan.online:,.0f} people online, {plan.messages_per_s:,.0f} messages a"
        f" second, {plan.signups_per_s:,.0f} sign-ups a second"
    )
    yield ""
    table = rows(plan)
    widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield f"{plan.machines} machines with the spare ones; a core is one of: {costs.cpu}"
    yield ""
    yield "assumed:"
    for name, value in assumptions(demand, terms).items():
        yield f"  {name} {value:,}"
    yield "to be known:"
    for remark in plan.remarks:
        yield f"  {remark}"


def check_rows(held: Sequence[Held]) -> list[tuple[str, ...]]:
    """A table, the head first."""
    head = ("messages a second", "predicted", "measured", "off by")
    return [
        head,
        *(
            (
                f"{each.per_s:,.0f}",
                f"{each.predicted_us:.0f} µs",
                f"{each.measured_us:.0f} µs",
                f"{each.off_by:+.1%}",
            )
            for each in held
        ),
    ]


def as_json(plan: Plan, demand: Demand, terms: Terms, costs: Costs) -> dict[str, Any]:
    """All of it."""
    return {
        "machines": plan.machines,
        "messages_per_s": plan.messages_per_s,
        "online": plan.online,
        "signups_per_s": plan.signups_per_s,
        "parts": [asdict(part) for part in plan.parts],
        "assumptions": assumptions(demand, terms),
        "cpu": costs.cpu,
        "remarks": list(plan.remarks),
    }
