"""How many second texts may be sent on suspicion.

Most second texts are for first ones that are only slow, so they are bounded by a share of the first
sends: a carrier that becomes slower must not double the load on the others. What conversions prove
lost is added, as there the second text is no suspicion. Beyond it a hedge is put off, not lost.

Hedges are held against the first sends that they belong to, those of `lag_s` before; else the end
of a surge, with few first sends beside the hedges of many, would be without.
"""

from __future__ import annotations

from hodhod_server.sms.router_rules import HedgeRules


class HedgeBudget:
    """Hedges and proven losses of the last `window_s` seconds, and first sends `lag_s` earlier."""

    def __init__(self, rules: HedgeRules) -> None:
        self._rules = rules
        self._firsts = PerSecond(rules.window_s, rules.lag_s)
        self._hedges = PerSecond(rules.window_s)
        self._lost = PerSecond(rules.window_s)

    def note_first(self, now_s: float) -> None:
        """A first send has left."""
        self._firsts.add(1.0, now_s)

    def note_judged(self, lost: float, now_s: float) -> None:
        """Sends were judged: how much was expected and has not come; negative where more came."""
        self._lost.add(lost, now_s)

    def note_hedge(self, now_s: float) -> None:
        """A hedge is to be sent."""
        self._hedges.add(1.0, now_s)

    def give_back(self, now_s: float) -> None:
        """A hedge that waited is not needed after all."""
        self._hedges.add(-1.0, now_s)

    def left(self, now_s: float) -> float:
        """How many more may be sent now."""
        firsts = self._firsts.total(now_s)
        allowed = self._rules.share * firsts + max(0.0, self._lost.total(now_s))
        most = self._rules.share_max * firsts
        return max(0.0, min(most, allowed)) + self._rules.burst - self._hedges.total(now_s)


class PerSecond:
    """A sum over the window that ended `lag_s` ago, in one bucket per second."""

    def __init__(self, window_s: int, lag_s: int = 0) -> None:
        self._window_s = window_s
        self._lag_s = lag_s
        self._size = window_s + lag_s + 1
        self._buckets = [0.0] * self._size
        self._total = 0.0
        self._newest = 0

    def add(self, amount: float, now_s: float) -> None:
        """Count it now."""
        self._advance(int(now_s))
        self._buckets[self._newest % self._size] += amount
        if not self._lag_s:
            self._total += amount

    def total(self, now_s: float) -> float:
        """The sum over the window."""
        self._advance(int(now_s))
        return self._total

    def _advance(self, second: int) -> None:
        if second - self._newest > self._size:
            self._buckets = [0.0] * self._size
            self._total = 0.0
            self._newest = second
        while self._newest < second:
            self._newest += 1
            left = self._newest - self._lag_s - self._window_s
            self._total -= self._buckets[left % self._size]
            if self._lag_s:
                self._total += self._buckets[(self._newest - self._lag_s) % self._size]
            self._buckets[self._newest % self._size] = 0.0
