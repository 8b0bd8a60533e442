"""What whole rehearsals have shown: the summaries kept in `docs/measurements/`, as tables.

`hodhod-loadtest signup --case CASE --out build/signup` leaves `build/signup/CASE/summary.json`,
`make surge` `build/surge/summary.json`; they are kept as `signup/CASE.json` and `surge.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from docs.generate.plots import BENCH

SURGE: Final = BENCH.with_name("surge.json")
CASES: Final = BENCH.with_name("signup")
ORDER: Final = (
    "healthy",
    "silent_from_start",
    "silent_mid_surge",
    "lossy",
    "scarce",
    "all_down",
    "returns",
    "bot_flood",
    "kill_each",
)
_SIZE: Final = re.compile(r"--people (\d+) --minutes ([\d.]+)")


def _read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def _goals(slos: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for slo in slos:
        measured = "–" if slo["measured"] is None else f"{slo['measured']:.4g}"
        sign = "✓" if slo["ok"] else "✗"
        yield f"{sign} {slo['name']}: {measured} (goal {slo['goal']:g})"


def cases() -> str:
    """Markdown: one row for each case that has been run."""
    rows = ["| case | people, minutes | each goal: measured | verdict | commit |"]
    rows.append("|---|---|---|---|---|")
    for name in ORDER:
        path = CASES / f"{name}.json"
        if not path.exists():
            rows.append(f"| `{name}` | – | not run at full size yet | – | – |")
            continue
        told = _read(path)
        size = _SIZE.search(told["command"])
        people = f"{int(size[1]):,} in {size[2]}" if size else "–"
        goals = "<br>".join(_goals(told["slos"]))
        commit = told.get("commit", "")[:7]
        rows.append(f"| `{name}` | {people} | {goals} | {told['verdict']} | {commit} |")
    return "\n".join(rows)


def surge() -> str:
    """Markdown: the goals of the surge, with their intervals."""
    if not SURGE.exists():
        return "Not run whole yet."
    told = _read(SURGE)
    rows = ["| goal | measured | 95 % interval | must | |", "|---|---|---|---|---|"]
    for slo in told["slos"]:
        bounds = [slo["low"], slo["high"]]
        interval = "–" if None in bounds else f"{bounds[0]:.4g} to {bounds[1]:.4g}"
        measured = "–" if slo["measured"] is None else f"{slo['measured']:.4g}"
        sign = "✓" if slo["ok"] else "✗"
        rows.append(f"| {slo['name']} | {measured} | {interval} | {slo['goal']:g} | {sign} |")
    control = told["negative_control_ratio"]
    if control is not None:
        rows.append(
            f"| *without isolation: message p99 in terms of before* | {control:.3g} | | | |"
        )
    rows.append("")
    rows.append(f"`{told['command']}`, commit {told.get('commit', '')[:7]}: **{told['verdict']}**.")
    return "\n".join(rows)


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {"signup-cases": cases, "surge": surge}
