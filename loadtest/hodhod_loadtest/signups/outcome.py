"""What a wave of newcomers came to. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hodhod_loadtest.bench.figures import percentile
from hodhod_loadtest.signups.journey import Account


@dataclass(frozen=True, slots=True)
class Outcome:
    """All accounts of a run, and the messages that the carriers took, by carrier."""

    accounts: Sequence[Account]
    sent: dict[str, int]
    facts: Mapping[str, float] = field(default_factory=dict)
    """What else happened beside the wave, by name."""

    @property
    def successes(self) -> int:
        """People who are in."""
        return sum(account.in_s is not None for account in self.accounts)

    def code_in_hand_s(self, share: float) -> float:
        """By when so many had a code, counted from when they were due; infinite: they had none."""
        return percentile([_since_due(account, account.code_s) for account in self.accounts], share)

    def told_s(self, share: float) -> float:
        """By when so many had been told that their own text is the way."""
        return percentile([_since_due(account, account.told_s) for account in self.accounts], share)

    def share_in(self, seconds: float) -> float:
        """Of all people, how many were in so soon."""
        quick = sum(_since_due(account, account.in_s) <= seconds for account in self.accounts)
        return quick / len(self.accounts)

    @property
    def texts_per_success(self) -> float:
        """Messages paid for, for each person who is in."""
        return sum(self.sent.values()) / max(1, self.successes)

    @property
    def promises_kept(self) -> float:
        """Of those who were told how long nine in ten wait, how many waited no longer."""
        promised = [account for account in self.accounts if account.promised_s is not None]
        kept = [account for account in promised if _is_kept(account)]
        return len(kept) / len(promised) if promised else 1.0

    @property
    def refusals(self) -> Counter[str]:
        """How often people were refused, by reason."""
        return _summed(account.refusals for account in self.accounts)

    @property
    def ways(self) -> Counter[str]:
        """How people came in."""
        return Counter(account.way for account in self.accounts if account.in_s is not None)


def _since_due(account: Account, moment_s: float | None) -> float:
    return math.inf if moment_s is None else moment_s - account.due_s


def _is_kept(account: Account) -> bool:
    # A second is what the status may take to be told.
    promised = account.promised_s
    return promised is not None and _since_due(account, account.sent_s) <= promised + 1.0


def _summed(counts: Iterable[dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total
