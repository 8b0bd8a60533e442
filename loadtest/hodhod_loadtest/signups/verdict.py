"""What a run is worth: the promises of its case, each kept or broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench.environment import environment
from hodhod_loadtest.bench.figures import rounded
from hodhod_loadtest.judging.summary import Summary, SummarySlo, told
from hodhod_loadtest.signups.cases import Case, Promise
from hodhod_loadtest.signups.wave import Run, Wave

LAG_MAX_S: Final = 0.05  # a generator later than that did not bring the wave it says


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise and what was measured."""

    promise: Promise
    measured: float

    @property
    def is_kept(self) -> bool:
        return self.promise.holds(self.measured)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A case that was run."""

    case: Case
    wave: Wave
    run: Run

    @property
    def findings(self) -> Sequence[Finding]:
        """One for each promise."""
        return [
            Finding(promise, promise.measure(self.run.outcome)) for promise in self.case.promises
        ]

    @property
    def word(self) -> str:
        """`pass`, `fail`, or `void` where the generator was late."""
        if self.run.lag_p99_s > LAG_MAX_S:
            return "void"
        return "pass" if all(finding.is_kept for finding in self.findings) else "fail"

    def lines(self) -> list[str]:
        """For a terminal."""
        outcome, use = self.run.outcome, self.run.use
        people = len(outcome.accounts)
        rows = [f"{self.case.name}: {self.word}. {self.case.about}"]
        for finding in self.findings:
            bound = "at most" if finding.promise.is_most else "at least"
            mark = "kept" if finding.is_kept else "BROKEN"
            goal = f"{bound} {finding.promise.goal:g}"
            rows.append(f"  {mark:6} {finding.promise.name}: {finding.measured:.5g} ({goal})")
        rows.append(f"  {outcome.successes} of {people} in, by {dict(outcome.ways)}")
        rows.append(f"  messages {outcome.sent}; refusals {dict(outcome.refusals)}")
        rows.append(f"  server complained {dict(self.run.complaints.most_common(8))}")
        waited = sum(account.waited_in_room for account in outcome.accounts)
        paid = sum(account.proofs for account in outcome.accounts)
        rows.append(f"  waited in the room {waited}; proofs of work {paid}")
        took = ", ".join(
            f"p{share * 100:g} {outcome.code_in_hand_s(share):.1f}" for share in (0.5, 0.95, 0.99)
        )
        rows.append(f"  code in hand, s: {took}; in within 2 min {outcome.share_in(120.0):.4f}")
        for name, measured in outcome.facts.items():
            rows.append(f"  {name}: {measured:.5g}")
        cpu = {role: rounded(used) for role, used in use.server_s.items()}
        rows.append(f"  server CPU-s {cpu}, generator {use.generator_s:.1f} of {use.wall_s:.0f} s")
        each_ms = 1000 * use.server_total_s / max(1, outcome.successes)
        rows.append(
            f"  server CPU for each success {each_ms:.2f} ms;"
            f" generator late p99 {1000 * self.run.lag_p99_s:.1f} ms;"
            f" busy elsewhere {use.elsewhere_s:.1f} s"
        )
        return rows

    def write(self, path: Path, command: str) -> None:
        """`summary.json`."""
        outcome = self.run.outcome
        Summary(
            scenario=f"signup_{self.case.name}",
            seed=self.wave.seed,
            verdict=self.word,
            slos=[_slo(finding) for finding in self.findings],
            signups=outcome.successes,
            returns=outcome.facts.get("returns"),
            messages=sum(outcome.sent.values()),
            lost=len(outcome.accounts) - outcome.successes,
            duplicated=outcome.facts.get("sent twice"),
            facts={name: told(fact) for name, fact in outcome.facts.items()},
            command=command,
            commit=str(environment()["commit"] or ""),
        ).write(path)


def _slo(finding: Finding) -> SummarySlo:
    return SummarySlo(
        name=finding.promise.name,
        goal=finding.promise.goal,
        measured=told(finding.measured),
        ok=finding.is_kept,
    )
