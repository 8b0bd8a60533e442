"""How fast a provider may be sent to: as fast as agreed, slower when it says so.

In a surge every text of the contract is wanted. A throttling answer cuts the pace at once, and it
grows back to a little less than where it was cut, then slowly further: so a provider that has less
room than agreed is filled and not flooded. One that refuses everything is asked now and then. The
hand-offs in flight are bounded as well: a host that no longer answers must not hold everything.

Always true: no more than the contract leaves in any one second.
"""

from __future__ import annotations

import math
from collections import deque

from hodhod_server.sms.provider import Terms
from hodhod_server.sms.router_rules import PaceRules

_QUANTILE = 0.99
_STEP = 0.05


class Pace:
    """The pace of one provider."""

    def __init__(self, terms: Terms, rules: PaceRules, now_s: float = 0.0) -> None:
        self._terms = terms
        self._rules = rules
        self._burst = max(1.0, terms.rate_per_s * rules.burst_s)
        self._tokens = self._burst
        self._updated_s = now_s
        self._paused_until_s = -math.inf
        self._throttled_s = -math.inf
        self._most = 1.0
        self._second: deque[float] = deque()
        """When each of the last second left."""
        self._second_most = max(1, math.floor(terms.rate_per_s))
        self.factor = 1.0
        self.is_refused = False
        """Does it refuse whatever it gets, and no other is there to get it?"""
        self.in_flight = 0
        self.answer_s = rules.answer_s

    @property
    def rate_per_s(self) -> float:
        """What may leave in a second, now."""
        whole = self._terms.rate_per_s * self.factor
        return min(whole, self._rules.refused_per_s) if self.is_refused else whole

    @property
    def in_flight_max(self) -> int:
        """How many answers may be awaited."""
        usual_s = self.answer_s * self._rules.in_flight_factor + self._rules.turn_s
        usual = self.rate_per_s * usual_s
        return min(self._terms.in_flight_max, max(self._rules.in_flight_min, math.ceil(usual)))

    def wait_s(self, now_s: float) -> float:
        """How long until one may leave; 0 if now. Infinite until an answer frees a place."""
        self._advance(now_s)
        wait_s = max(0.0, self._updated_s - now_s)
        if self.in_flight >= self.in_flight_max:
            return math.inf
        if self._tokens < 1.0:
            wait_s += (1.0 - self._tokens) / self.rate_per_s
        wait_s = max(wait_s, self._paused_until_s - now_s)
        if len(self._second) >= self._second_most:
            wait_s = max(wait_s, self._second[0] + 1.0 - now_s)
        return wait_s

    def take(self, at_s: float) -> None:
        """One leaves at this moment, which is when `wait_s` has passed."""
        self._advance(at_s)
        self._tokens -= 1.0
        self._second.append(at_s)
        self.in_flight += 1

    def finish(self, answer_s: float) -> None:
        """An answer came, or is no longer awaited."""
        self.in_flight = max(0, self.in_flight - 1)
        step = _QUANTILE if answer_s > self.answer_s else _QUANTILE - 1.0
        grown_s = self.answer_s * math.exp(_STEP * step)
        self.answer_s = min(self._rules.answer_max_s, max(0.01, grown_s))

    def throttle(self, now_s: float, retry_after_s: float | None) -> None:
        """It said that we are too fast."""
        self._advance(now_s)
        if retry_after_s is not None:
            self._paused_until_s = max(self._paused_until_s, now_s + min(60.0, retry_after_s))
        if now_s - self._throttled_s < self._rules.throttled_pause_s:
            return
        self._throttled_s = now_s
        self._most = max(self._rules.factor_min, self.factor * self._rules.wary_share)
        self.factor = max(self._rules.factor_min, self.factor * self._rules.throttled_factor)
        self._tokens = min(self._tokens, 0.0)

    def _advance(self, now_s: float) -> None:
        passed_s = now_s - self._updated_s
        if passed_s <= 0:
            return
        self._updated_s = now_s
        while self._second and self._second[0] <= now_s - 1.0:
            self._second.popleft()
        self._most = min(1.0, self._most + passed_s * self._rules.dared_per_s)
        if self.factor < self._most:
            self.factor = min(self._most, self.factor + passed_s * self._rules.regained_per_s)
        self._tokens = min(self._burst, self._tokens + passed_s * self.rate_per_s)
