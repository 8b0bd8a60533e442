"""A line of people who wait for their turn, counted by the second in which they came.

Whoever came before `serving_s` may enter. The line keeps no names: what each one holds is the
moment of their arrival, and how many are in front follows from the counts. Seconds are whole ones
since the epoch, so that processes can add up what each of them has counted; inside a second people
are taken to have come evenly.

Always true: who came earlier may enter no later; the serving moment never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EWMA_S: Final = 30.0
RATIOS_MAX: Final = 400
RATIOS_MIN: Final = 40
LATE_MIN: Final = 1.15
LATE_MAX: Final = 3.0
LATE_AT_FIRST: Final = 1.5
LATE_MARGIN: Final = 1.05


class Line:
    """One lane of the waiting room."""

    def __init__(self) -> None:
        self.serving_s = 0.0
        self._came: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._total = 0
        self._gone_by = 0.0
        self._untold: dict[int, int] = {}

    def open(self, now_s: float) -> None:
        """From now on people wait; all who came before may enter."""
        self.serving_s = max(self.serving_s, now_s)
        self._came, self._before, self._total, self._gone_by = {}, {}, 0, 0.0

    def join(self, now_s: float) -> None:
        """Somebody comes."""
        second = int(now_s)
        if second not in self._came:
            self._came[second] = 0
            self._before[second] = self._total
        self._came[second] += 1
        self._total += 1
        self._untold[second] = self._untold.get(second, 0) + 1

    def take_untold(self) -> dict[int, int]:
        """Who came since this was last asked: what the other processes do not know yet."""
        untold, self._untold = self._untold, {}
        return untold

    def give_back(self, untold: Mapping[int, int]) -> None:
        """It could not be told after all."""
        for second, people in untold.items():
            self._untold[second] = self._untold.get(second, 0) + people

    def replace(self, came: Mapping[int, int], serving_s: float | None = None) -> None:
        """What all processes have told of, and what this one has not yet, is the line."""
        known = dict(came)
        for second, people in self._untold.items():
            known[second] = known.get(second, 0) + people
        self._came = {second: known[second] for second in sorted(known) if known[second] > 0}
        self._before, self._total = {}, 0
        for second, people in self._came.items():
            self._before[second] = self._total
            self._total += people
        if serving_s is not None:
            self.serving_s = max(self.serving_s, serving_s)
        self._gone_by = self._number(self.serving_s)

    @property
    def waiting(self) -> float:
        """How many wait for their turn."""
        return max(0.0, self._total - self._gone_by)

    def ahead(self, came_s: float) -> float:
        """How many are in front of somebody who came at this moment."""
        return max(0.0, self._number(came_s) - self._gone_by)

    def is_served(self, came_s: float) -> bool:
        """Has their turn come?"""
        return came_s <= self.serving_s

    def ready(self, now_s: float) -> float:
        """How many of those who wait came before this second: it has to be over to be counted."""
        return max(0.0, self._before.get(int(now_s), self._total) - self._gone_by)

    def advance(self, people: float, now_s: float) -> float:
        """Let so many more in. Returns how many there were."""
        let_in = min(people, self.ready(now_s))
        self._gone_by += let_in
        self.serving_s = max(self.serving_s, self._moment(self._gone_by, now_s))
        self._drop_passed()
        return let_in

    def _number(self, moment_s: float) -> float:
        """How many had come by this moment."""
        second = int(moment_s)
        before = self._before.get(second)
        if before is not None:
            return before + self._came[second] * (moment_s - second)
        earlier = [known for known in self._came if known < second]
        return float(self._before[earlier[-1]] + self._came[earlier[-1]]) if earlier else 0.0

    def _moment(self, number: float, now_s: float) -> float:
        """By which moment so many had come, of those who came before this second."""
        this = int(now_s)
        for second, people in self._came.items():
            before = self._before[second]
            if second < this and number < before + people:
                return second + max(0.0, number - before) / people
        return float(this)

    def _drop_passed(self) -> None:
        """Forget whole seconds that are served; numbers start again from the first that is not."""
        limit = int(self.serving_s)
        passed = [second for second in self._came if second < limit]
        if not passed:
            return
        for second in passed:
            del self._came[second], self._before[second]
        first = next(iter(self._before.values()), self._total)
        self._before = {second: number - first for second, number in self._before.items()}
        self._total -= first
        self._gone_by = max(0.0, self._gone_by - first)


class Speed:
    """How many a second, over the last half minute or so."""

    def __init__(self, at_least: float = 0.0) -> None:
        self._per_s = 0.0
        self._known = 0.0
        self._at_least = at_least

    @property
    def per_s(self) -> float:
        """The mean, younger seconds counting more."""
        mean = self._per_s / self._known if self._known else 0.0
        return max(self._at_least, mean)

    def note(self, people: float, lasted_s: float) -> None:
        """So many in so long a time."""
        if lasted_s <= 0:
            return
        share = 1.0 - 0.5 ** (lasted_s / (EWMA_S / 2))
        self._per_s += (people / lasted_s - self._per_s) * share
        self._known += (1.0 - self._known) * share


class Honesty:
    """How much later than promised people's turn came, so that the next promise is kept."""

    def __init__(self) -> None:
        self._ratios: list[float] = []
        self._place = 0
        self._late = LATE_AT_FIRST
        self._untold = 0

    @property
    def late(self) -> float:
        """By what the likely wait is multiplied for nine in ten to wait less."""
        return self._late

    def note(self, promised_s: float, actual_s: float) -> None:
        """A turn has come."""
        ratio = actual_s / max(1.0, promised_s)
        if len(self._ratios) < RATIOS_MAX:
            self._ratios.append(ratio)
        else:
            self._ratios[self._place] = ratio
            self._place = (self._place + 1) % RATIOS_MAX
        self._untold += 1
        if self._untold >= RATIOS_MIN:
            self._untold = 0
            ninth = sorted(self._ratios)[int(len(self._ratios) * 0.9)]
            self._late = min(LATE_MAX, max(LATE_MIN, ninth * LATE_MARGIN))
