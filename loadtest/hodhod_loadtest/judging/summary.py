"""`summary.json`: what a program reads of a run, the same members whatever was run."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from hodhod_loadtest.bench.figures import rounded


class SummarySlo(msgspec.Struct, frozen=True, kw_only=True):
    """A goal, what was measured, and the bounds of its interval where there is one."""

    name: str
    goal: float
    measured: float | None
    low: float | None = None
    high: float | None = None
    ok: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`None` where the scenario has no such thing. `verdict`: `pass`, `fail` or `void`."""

    scenario: str
    seed: int
    verdict: str
    slos: list[SummarySlo]
    signups: int | None = None
    returns: float | None = None
    messages: int | None = None
    lost: int | None = None
    duplicated: float | None = None
    reordered: float | None = None
    p99_ratio_upper: float | None = None
    negative_control_ratio: float | None = None
    facts: dict[str, float | None] = {}
    command: str
    commit: str = ""
    """Of the code that was run; empty outside of a checkout."""

    def write(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def told(measured: float | None) -> float | None:
    """Rounded to what it is worth; `None` also for what never came."""
    return None if measured is None or not math.isfinite(measured) else rounded(measured)
