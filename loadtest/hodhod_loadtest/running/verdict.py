"""What a recording is worth, by point estimates of its goals. Pure.

`summary` is the one place that the command line asks; an interval for each measure comes with
`judging`, which takes the same recording and the same goals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Phase, Recording, Slo

_QUANTILE: Final = re.compile(r"p(\d{2,})_(ms|s|ratio)")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A goal and what was measured; `measured` is `None` where the run had nothing of it."""

    name: str
    measure: str
    goal: float
    measured: float | None
    is_most: bool
    is_kept: bool


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, in a word and goal by goal."""

    word: str
    findings: list[Finding]


def judge(recording: Recording) -> Summary:
    """`void` where the generator was late, else `pass` if every goal was kept."""
    findings = [_finding(recording, slo) for slo in recording.slos]
    if recording.generator is not None and not recording.generator.is_valid:
        return Summary(word="void", findings=findings)
    is_kept = all(finding.is_kept for finding in findings) and not recording.violations
    return Summary(word="pass" if is_kept else "fail", findings=findings)


def _finding(recording: Recording, slo: Slo) -> Finding:
    measured = find_measured(recording, slo.measure)
    is_kept = measured is not None and (
        measured <= slo.goal if slo.is_most else measured >= slo.goal
    )
    return Finding(
        name=slo.name,
        measure=slo.measure,
        goal=slo.goal,
        measured=measured,
        is_most=slo.is_most,
        is_kept=is_kept,
    )


def find_measured(recording: Recording, measure: str) -> float | None:
    """By its name; `None` where there is no such measure, or nothing to measure.

    `KIND.pNN_ms`, `KIND.pNN_s` and `KIND.pNN_ratio` of latencies, `signups.in_share`,
    `signups.in_120s_share`, `returns.in_share`, `texts.bots_share`, `refusals.number`, and
    `messages.lost` or any other count. `@` and the kind or name of a phase may follow a latency or
    a number; without it a latency is that of the whole run but its warming up.
    """
    name, _, stretch = measure.partition("@")
    subject, _, what = name.partition(".")
    if what in _SHARES.get(subject, {}):
        return _SHARES[subject][what](recording)
    if quantile := _QUANTILE.fullmatch(what):
        percent, unit = _percent(quantile[1]), quantile[2]
        return _of_latency(recording, subject, percent, (unit, stretch))
    if name == "refusals.number":
        names = [one for one in recording.counts if one.startswith("refused.")]
        return float(sum(_counted(recording, one, stretch) for one in names))
    return float(_counted(recording, name, stretch))


def _phases(recording: Recording, stretch: str) -> list[Phase]:
    if not stretch:
        return [phase for phase in recording.phases if phase.kind != "warm"]
    return [phase for phase in recording.phases if stretch in (phase.kind, phase.name)]


def _counted(recording: Recording, name: str, stretch: str) -> int:
    if not stretch:
        return recording.total(name)
    return sum(
        count
        for at_s, count in recording.counts.get(name, ())
        if any(phase.from_s <= at_s < phase.to_s for phase in _phases(recording, stretch))
    )


def _percent(digits: str) -> float:
    """99 is 99 %, 999 is 99.9 %."""
    return float(f"{digits[:2]}.{digits[2:] or 0}")


def _of_latency(
    recording: Recording, kind: str, percent: float, unit_and_stretch: tuple[str, str]
) -> float | None:
    unit, stretch = unit_and_stretch
    if unit == "ratio":
        during_us = _quantile_us(recording, kind, percent, stretch or "surge")
        before_us = _quantile_us(recording, kind, percent, "baseline")
        return during_us / before_us if during_us and before_us else None
    taken_us = _quantile_us(recording, kind, percent, stretch)
    return None if taken_us is None else taken_us / {"ms": 1e3, "s": 1e6}[unit]


def _quantile_us(recording: Recording, kind: str, percent: float, stretch: str) -> float | None:
    spans = [(phase.from_s, phase.to_s) for phase in _phases(recording, stretch)]
    pieces = [
        piece.histogram
        for piece in recording.latencies.get(kind, ())
        if any(from_s <= piece.at_s < to_s for from_s, to_s in spans)
    ]
    return float(histograms.summed(pieces).get_value_at_percentile(percent)) if pieces else None


def _share_in(crowd: str) -> Callable[[Recording], float | None]:
    def share(recording: Recording) -> float | None:
        arrived = recording.total(f"arrived.{crowd}")
        return recording.total(f"in.{crowd}") / arrived if arrived else None

    return share


def _within(seconds: float) -> Callable[[Recording], float | None]:
    def share(recording: Recording) -> float | None:
        arrived = recording.total("arrived.newcomers")
        if not arrived:
            return None
        pieces = [piece.histogram for piece in recording.latencies.get("signup", ())]
        total = histograms.summed(pieces)
        quick: int = sum(
            item.count_added_in_this_iter_step
            for item in total.get_recorded_iterator()
            if item.value_iterated_to <= seconds * 1e6
        )
        return quick / arrived

    return share


def _to_bots(recording: Recording) -> float | None:
    """Texts that bots were sent, in terms of those that people were sent."""
    sent = sum(recording.total(f"texts.{carrier}") for carrier in recording.providers)
    to_bots = recording.total("texts_to.bots")
    return to_bots / max(1, sent - to_bots) if sent else None


_SHARES: Final[dict[str, dict[str, Callable[[Recording], float | None]]]] = {
    "signups": {
        "in_share": _share_in("newcomers"),
        "in_120s_share": _within(120.0),
        "in_600s_share": _within(600.0),
    },
    "returns": {"in_share": _share_in("returners")},
    "texts": {"bots_share": _to_bots},
}


def lines(recording: Recording, summary: Summary) -> list[str]:
    """For a terminal."""
    told = [f"{recording.scenario}: {summary.word}"]
    if recording.generator is not None and recording.generator.why:
        told.append(f"  the generator: {recording.generator.why}")
    for finding in summary.findings:
        mark = "kept" if finding.is_kept else "BROKEN"
        bound = "at most" if finding.is_most else "at least"
        measured = "nothing" if finding.measured is None else f"{finding.measured:.5g}"
        told.append(f"  {mark:6} {finding.name}: {measured} ({bound} {finding.goal:g})")
    told += [f"  {happening.at_s:.0f} s: {happening.what}" for happening in recording.happenings]
    return told


def write_summary(recording: Recording, summary: Summary, path: Path) -> None:
    """`summary.json`."""
    control = recording.control
    told = {
        "scenario": recording.scenario,
        "seed": recording.seed,
        "verdict": summary.word,
        "slos": [
            {
                "name": finding.name,
                "goal": finding.goal,
                "measured": _finite(finding.measured),
                "low": None,
                "high": None,
                "ok": finding.is_kept,
            }
            for finding in summary.findings
        ],
        "signups": recording.total("in.newcomers"),
        "returns": recording.total("in.returners"),
        "messages": recording.total("messages.received"),
        "lost": recording.total("messages.lost"),
        "duplicated": recording.total("messages.doubled"),
        "reordered": recording.total("messages.reordered"),
        "p99_ratio_upper": None,
        "negative_control_ratio": control and find_measured(control, "message.p99_ratio"),
        "command": recording.command,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")


def _finite(measured: float | None) -> float | None:
    return None if measured is None or math.isinf(measured) else measured
