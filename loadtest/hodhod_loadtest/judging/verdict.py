"""The verdict on a run: its goals, each kept or missed, and what broke first.

`void` comes before `pass` and `fail`: a generator that was late did not bring the load it says, so
the run says nothing of the server. A goal of which nothing was recorded counts as missed. Ratios
are judged at the worse end of their interval: a promise has to hold for what may have been chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from hodhod_loadtest.judging import measures
from hodhod_loadtest.judging.breaks import Break, breaks
from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.summary import Summary, SummarySlo, told
from hodhod_loadtest.recording.model import Recording, Slo

Word = Literal["pass", "fail", "void"]
RATIO = "message.p99_ratio"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A goal and what was measured; `judged` is the number that was held against the goal."""

    slo: Slo
    unit: str
    measured: float | None
    low: float | None
    high: float | None
    judged: float | None
    ok: bool


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`control` are the same goals in the negative control, where each is hoped to be missed."""

    word: Word
    why: str
    findings: list[Finding]
    breaks: list[Break]
    control: list[Finding] = []

    @property
    def broken(self) -> list[Finding]:
        """The goals that were missed."""
        return [finding for finding in self.findings if not finding.ok]

    @property
    def is_control_broken(self) -> bool | None:
        """Did the control miss a goal that the run kept? `None`: there was no control."""
        if not self.control:
            return None
        pairs = zip(self.findings, self.control, strict=True)
        return any(own.ok and not other.ok for own, other in pairs)


def judge(recording: Recording, slos: Sequence[Slo] | None = None) -> Verdict:
    """By the recording's own goals unless others are given. Raises `UnknownMeasure`."""
    return weigh(*evidences(recording), slos)


def evidences(recording: Recording) -> tuple[Evidence, Evidence | None]:
    """Of the run and of its control."""
    control = Evidence(recording.control, seed=1) if recording.control else None
    return Evidence(recording), control


def weigh(
    evidence: Evidence, control: Evidence | None, slos: Sequence[Slo] | None = None
) -> Verdict:
    """The same of what was made ready already, which others need, too."""
    recording = evidence.recording
    goals = recording.slos if slos is None else slos
    findings = [find(evidence, slo) for slo in goals]
    missed = [finding.slo for finding in findings if not finding.ok]
    word, why = _word(recording, findings)
    return Verdict(
        word=word,
        why=why,
        findings=findings,
        breaks=breaks(evidence, missed),
        control=[find(control, slo) for slo in goals] if control else [],
    )


def find_measured(recording: Recording, measure: str) -> float | None:
    """Only what was measured, which is quick: no draws, no bounds. Raises `UnknownMeasure`."""
    estimate = measures.named(measure).of(Evidence(recording, resamples=0))
    return None if estimate is None else estimate.measured


def find(evidence: Evidence, slo: Slo) -> Finding:
    """One goal held against a run."""
    measure = measures.named(slo.measure)
    estimate = measure.of(evidence)
    if estimate is None:
        return Finding(
            slo=slo, unit=measure.unit, measured=None, low=None, high=None, judged=None, ok=False
        )
    bounds = estimate.bounds
    judged = estimate.measured
    if measure.is_cautious and bounds is not None:
        judged = max(judged, bounds[1]) if slo.is_most else min(judged, bounds[0])
    return Finding(
        slo=slo,
        unit=measure.unit,
        measured=estimate.measured,
        low=bounds and bounds[0],
        high=bounds and bounds[1],
        judged=judged,
        ok=judged <= slo.goal if slo.is_most else judged >= slo.goal,
    )


def summary(evidence: Evidence, control: Evidence | None, verdict: Verdict) -> Summary:
    """For programs."""
    recording = evidence.recording
    ratio = Slo(name=RATIO, measure=RATIO, goal=0.0)
    own = find(evidence, ratio)
    beside = find(control, ratio) if control else None
    return Summary(
        scenario=recording.scenario,
        seed=recording.seed,
        verdict=verdict.word,
        slos=[
            SummarySlo(
                name=finding.slo.name,
                goal=finding.slo.goal,
                measured=told(finding.measured),
                low=told(finding.low),
                high=told(finding.high),
                ok=finding.ok,
            )
            for finding in verdict.findings
        ],
        signups=_counted(recording, "in.newcomers", "arrived.newcomers"),
        returns=_counted(recording, "in.returners", "arrived.returners"),
        messages=sum(piece.count for piece in recording.latencies.get("message", ())) or None,
        lost=_counted(recording, "messages.lost", "messages.received"),
        duplicated=_counted(recording, "messages.doubled", "messages.received"),
        reordered=_counted(recording, "messages.reordered", "messages.received"),
        p99_ratio_upper=told(own.high),
        negative_control_ratio=told(beside.measured) if beside else None,
        command=recording.command,
        commit=str(recording.environment.get("commit") or ""),
    )


def _word(recording: Recording, findings: Sequence[Finding]) -> tuple[Word, str]:
    generator = recording.generator
    if generator is not None and not generator.is_valid:
        return "void", generator.why
    is_kept = all(finding.ok for finding in findings) and not recording.violations
    return ("pass" if is_kept else "fail"), ""


def _counted(recording: Recording, name: str, among: str) -> int | None:
    """`None`: there was nothing that it could have happened to."""
    return recording.total(name) if recording.total(among) else None
