"""The plan and its check on the page about capacity: from the kept measurements alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hodhod_loadtest.planning import check, costs, telling
from hodhod_loadtest.planning.demand import Demand, Terms, assumptions
from hodhod_loadtest.planning.model import plan

DEMAND: Final = Demand(users=15e6, media_gb_day=10_000)
TERMS: Final = Terms()
SIZES: Final = (1e6, 1e7, 1e8)


def planned() -> str:
    """Machines for fifteen million people, and what must be known about the numbers."""
    found = plan(DEMAND, TERMS, costs.read(costs.KEPT))
    remarks = "\n".join(f"- {remark}" for remark in found.remarks)
    return (
        f"{_table(telling.rows(found))}\n\n{found.machines} machines with the spare ones, for"
        f" {found.online:,.0f} people online, {found.messages_per_s:,.0f} messages and"
        f" {found.signups_per_s:,.0f} sign-ups a second at the peak. To be known:\n\n{remarks}"
    )


def sizes() -> str:
    """Cores busy at the peak and machines, for a million people and more."""
    known = costs.read(costs.KEPT)
    plans = [plan(Demand(users=users), TERMS, known) for users in SIZES]
    head = ["part", *(f"{users / 1e6:g} million" for users in SIZES)]
    rows = [
        [part.name, *(f"{same.machines} ({same.busy:.1f})" for same in parts)]
        for part, *parts in zip(plans[0].parts, *(each.parts for each in plans), strict=True)
    ]
    totals = ["all, with spare ones", *(str(each.machines) for each in plans)]
    return _table([head, *rows, totals])


def checked() -> str:
    """What the model predicts for each measured rate from the others."""
    known = costs.read(costs.KEPT)
    held = [] if known.message is None else check.leave_one_out(known.message, known.gateways)
    return _table(telling.check_rows(held))


def assumed() -> str:
    """Every assumption and its default."""
    names = assumptions(Demand(), Terms())
    told = [f"--{name.replace('_', '-')} {value:.10g}" for name, value in names.items()]
    return "\n".join(["```text", *told, "```"])


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    return "\n".join(_row(row) for row in (head, ["---"] * len(head), *rest))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {
    "planned": planned,
    "planned-sizes": sizes,
    "planned-check": checked,
    "planned-assumptions": assumed,
}
