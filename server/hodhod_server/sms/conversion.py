"""How soon people who got a code have typed it: the share converted by each age, per channel.

What a provider delivers is judged against this, because its own word ("accepted", "delivered") has
been seen to be wrong while nobody got a text. It begins with an assumption and learns from
healthy providers, so slowly that an incident does not become the new normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from hodhod_server.sms.router_rules import CurveRules

AGE_MAX_S: Final = 60
_ENTRY_STEPS: Final = 28


class CurveSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned: sends, and conversions by age in whole seconds."""

    sends: float
    converted: tuple[float, ...]


class ConversionCurve:
    """The expected share of a channel's sends that has converted by an age."""

    def __init__(self, rules: CurveRules) -> None:
        self._rules = rules
        prior = [_prior_share(rules, age) for age in range(AGE_MAX_S + 1)]
        self._sends = rules.prior_weight
        self._converted = [
            rules.prior_weight * (prior[age + 1] - prior[age]) for age in range(AGE_MAX_S)
        ]
        self._allowance = rules.learned_burst
        self._updated_s: float | None = None
        self._shares = self._cumulated()

    def share(self, age_s: float) -> float:
        """The share converted by then; between whole seconds, a straight line."""
        if age_s >= AGE_MAX_S:
            return self._shares[-1]
        whole = max(0, int(age_s))
        low = self._shares[whole]
        return low + (self._shares[whole + 1] - low) * max(0.0, age_s - whole)

    def learn(self, age_s: float | None, now_s: float) -> None:
        """One send of a healthy provider has run its course; None: not converted in time.

        Beyond the allowance nothing is learned: a surge has many sends and one story.
        """
        if self._updated_s is not None:
            gained = max(0.0, now_s - self._updated_s) * self._rules.learned_per_s
            self._allowance = min(self._rules.learned_burst, self._allowance + gained)
        self._updated_s = now_s
        if self._allowance < 1.0:
            return
        self._allowance -= 1.0
        self._sends += 1.0
        if age_s is not None:
            self._converted[min(AGE_MAX_S - 1, max(0, int(age_s)))] += 1.0

    def refresh(self, passed_s: float) -> None:
        """Bring the shares up to date and let old habits fade; called now and then."""
        kept = 0.5 ** (passed_s / self._rules.half_life_s)
        self._sends *= kept
        self._converted = [count * kept for count in self._converted]
        self._shares = self._cumulated()

    def snapshot(self) -> CurveSnapshot:
        """What a successor goes on with."""
        return CurveSnapshot(sends=self._sends, converted=tuple(self._converted))

    def restore(self, snapshot: CurveSnapshot) -> None:
        """Go on where a predecessor stopped."""
        if snapshot.sends > 0 and len(snapshot.converted) == AGE_MAX_S:
            self._sends = snapshot.sends
            self._converted = list(snapshot.converted)
            self._shares = self._cumulated()

    def _cumulated(self) -> Sequence[float]:
        shares = [0.0]
        for count in self._converted:
            shares.append(shares[-1] + count / self._sends)
        return shares


def _prior_share(rules: CurveRules, age_s: float) -> float:
    """A text that takes a log-normal time, typed after an even one."""
    width_s = (rules.entry_max_s - rules.entry_min_s) / _ENTRY_STEPS
    total = 0.0
    for step in range(_ENTRY_STEPS):
        left_s = age_s - (rules.entry_min_s + (step + 0.5) * width_s)
        if left_s > 0:
            spread = math.log(left_s / rules.arrival_median_s) / rules.arrival_sigma
            total += 0.5 * (1.0 + math.erf(spread / math.sqrt(2.0)))
    return rules.completion * total / _ENTRY_STEPS
