"""Does a provider's code arrive? Conversions observed by conversions expected, of first sends.

Counted in one bucket per second, so a verdict costs the same at one send a second as at four
hundred. Only first sends, and only what converted before the hedge left: afterwards nobody knows
which text was typed.

Always true: memory is the window's seconds and the sends too young to be judged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.sms.conversion import ConversionCurve
from hodhod_server.sms.router_rules import HealthRules


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was expected and what was seen, within a window."""

    expected: float = 0.0
    observed: float = 0.0

    @property
    def ratio(self) -> float:
        """Observed by expected; one where nothing was expected."""
        return self.observed / self.expected if self.expected > 0 else 1.0


class FirstSend(msgspec.Struct, kw_only=True):
    """A first send that is too young to be judged. `provider` is "" where it proves nothing."""

    key: str
    provider: str
    at_s: float
    cell: tuple[str, ClientKind]
    converted_age_s: float | None = None


class Evidence:
    """What one provider has shown."""

    def __init__(self, rules: HealthRules) -> None:
        self._rules = rules
        self._size = rules.windows_s[-1] + 2
        self._sent = [0] * self._size
        self._converted = [0] * self._size
        self._newest = 0
        self.settled = Fading()
        self.fresh = Verdict()
        self.verdict = Verdict()

    def add(self, at_s: float) -> None:
        """A first send was taken."""
        self.advance(at_s)
        self._sent[int(at_s) % self._size] += 1

    def convert(self, sent_at_s: float) -> None:
        """One that was sent then has converted in time."""
        if int(sent_at_s) > self._newest - self._size:
            self._converted[int(sent_at_s) % self._size] += 1

    def advance(self, now_s: float) -> None:
        """Clear the buckets of the seconds that have begun."""
        second = int(now_s)
        if second <= self._newest:
            return
        for fresh in range(max(self._newest + 1, second - self._size + 1), second + 1):
            self._sent[fresh % self._size] = 0
            self._converted[fresh % self._size] = 0
        self._newest = second

    def judge(self, curve: ConversionCurve, now_s: float) -> None:
        """Sum the band, and as much before it as is needed to expect enough."""
        self.fresh = self._sum(curve, now_s, self._rules.band_end_s)
        self.verdict = self.fresh
        for window_s in self._rules.windows_s[1:]:
            if self.verdict.expected >= self._rules.expected_min:
                return
            self.verdict = self._sum(curve, now_s, window_s)

    def restart(self, now_s: float) -> None:
        """Forget all: what was seen before a breaker opened says nothing of the time after."""
        self._sent = [0] * self._size
        self._converted = [0] * self._size
        self.settled = Fading(now_s=now_s)
        self.fresh = self.verdict = Verdict()

    def belief(self) -> tuple[float, float]:
        """Expected and observed for the score: what has settled, fading, and what is fresh."""
        expected = self.settled.expected + self.fresh.expected
        return expected, min(expected, self.settled.observed + self.fresh.observed)

    def _sum(self, curve: ConversionCurve, now_s: float, window_s: float) -> Verdict:
        expected = observed = 0.0
        age_s = float(self._rules.band_start_s)
        second = int(now_s - age_s)
        while (age_s := now_s - second - 0.5) <= window_s and second > self._newest - self._size:
            sent = self._sent[second % self._size]
            if sent:
                expected += sent * curve.share(min(age_s, self._rules.band_end_s))
                observed += self._converted[second % self._size]
            second -= 1
        return Verdict(expected=expected, observed=observed)


class Fading:
    """Sums that halve with each half-life."""

    __slots__ = ("expected", "observed", "updated_s", "waited_s")

    def __init__(self, expected: float = 0.0, observed: float = 0.0, now_s: float = 0.0) -> None:
        self.expected = expected
        self.observed = observed
        self.waited_s = 0.0
        self.updated_s = now_s

    def fade(self, now_s: float, half_life_s: float) -> None:
        """Weigh everything for the time that has passed."""
        kept = 0.5 ** (max(0.0, now_s - self.updated_s) / half_life_s)
        self.expected *= kept
        self.observed *= kept
        self.waited_s *= kept
        self.updated_s = now_s

    def add(self, expected: float, converted_age_s: float | None) -> None:
        """One send has run its course."""
        self.expected += expected
        if converted_age_s is not None:
            self.observed += 1.0
            self.waited_s += converted_age_s


class YoungSends:
    """First sends until they are old enough to be judged: by key, and in order of age."""

    def __init__(self) -> None:
        self._by_key: dict[str, FirstSend] = {}
        self._by_age: deque[FirstSend] = deque()

    def __len__(self) -> int:
        return len(self._by_age)

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def add(self, first: FirstSend) -> None:
        """One was taken now."""
        self._by_key[first.key] = first
        self._by_age.append(first)

    def find(self, key: str) -> FirstSend | None:
        """The first send of a challenge, if it is still young."""
        return self._by_key.get(key)

    def take_grown(self, before_s: float) -> Sequence[FirstSend]:
        """Those sent before then, taken out."""
        grown: list[FirstSend] = []
        while self._by_age and self._by_age[0].at_s <= before_s:
            first = self._by_age.popleft()
            self._by_key.pop(first.key, None)
            grown.append(first)
        return grown
