"""Money for texts: counted by the day, with two alerts and an end.

Always true: what has been spent is only ever too high in sum over processes, never too low while
their snapshots arrive; a day is one of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from hodhod_server.telemetry import logs, metrics

log = logs.get("door")
DAY_S: Final = 86_400
ALERTS: Final = (0.5, 0.8, 1.0)


class TextBudget:
    """What texts may cost in a day; 0: whatever they do."""

    def __init__(self, per_day: int) -> None:
        self._per_day = per_day
        self._day = 0
        self._own = 0
        self._others: Mapping[int, int] = {}
        self._told = 0
        metrics.DOOR_BUDGET.set(per_day)

    def note(self, cost: int, now_s: float) -> None:
        """A text was handed over, for so much."""
        self._turn_page(now_s)
        self._own += cost
        self._tell(now_s)

    def spent(self, now_s: float) -> int:
        """What has been spent today, by all processes."""
        self._turn_page(now_s)
        return self._own + self._others.get(self._day, 0)

    def is_spent(self, now_s: float) -> bool:
        """Is today's money gone?"""
        return 0 < self._per_day <= self.spent(now_s)

    def shared(self) -> dict[int, int]:
        """Day and money, for the other processes and for the one that comes after this."""
        return {self._day: self._own}

    def learn(self, others: Iterable[Mapping[int, int]]) -> None:
        """What the others have spent, instead of what they had before."""
        total: dict[int, int] = {}
        for spent in others:
            for day, money in spent.items():
                total[day] = total.get(day, 0) + money
        self._others = total

    def restore(self, spent: Mapping[int, int]) -> None:
        """Go on where an earlier process has stopped."""
        for day, money in spent.items():
            if day > self._day:
                self._day, self._own = day, 0
            self._own += money if day == self._day else 0

    def measure(self, now_s: float) -> None:
        """Show what has been spent, also on a day that nobody has sent anything yet."""
        metrics.DOOR_SPENT.set(self.spent(now_s))

    def _turn_page(self, now_s: float) -> None:
        day = int(now_s // DAY_S)
        if day > self._day:
            self._day, self._own, self._told = day, 0, 0

    def _tell(self, now_s: float) -> None:
        spent = self.spent(now_s)
        if not self._per_day:
            return
        passed = sum(spent >= alert * self._per_day for alert in ALERTS)
        if passed > self._told:
            self._told = passed
            metrics.DOOR_ALARMS.labels("budget").inc()
            log.warning("door.budget_used", percent=round(100 * spent / self._per_day))
