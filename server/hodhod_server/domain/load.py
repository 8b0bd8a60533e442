"""How loaded a process is, in four levels, and what that is concluded from. Pure arithmetic.

A level is entered the moment the measured delay is above its threshold, and left only after the
delay has stayed below half of it for a while: otherwise what was shed would come back at once and
raise it again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Final, Protocol

GOLDEN: Final = (math.sqrt(5) - 1) / 2
DRAIN_HALF_LIFE_S: Final = 0.5
DRAIN_PAUSE_S: Final = 0.5
RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 10.0
REFUSALS_PER_S: Final = 200  # a twentieth of a core
LONGER_MAX: Final = 20.0


class Level(IntEnum):
    """How much has to be shed."""

    CALM = 0
    BUSY = 1
    STRAINED = 2
    SATURATED = 3


class Work(StrEnum):
    """The classes of work. What each of them gives up when, says `services/admission.py`."""

    MESSAGE = "message"
    SYNC = "sync"
    OTHER = "other"
    CONNECT = "connect"
    HELLO = "hello"
    NEWCOMER = "newcomer"


class Load(Protocol):
    """Whoever knows how loaded this process is."""

    @property
    def level(self) -> Level:
        """The level as of now."""
        ...


class Recent:
    """The newest values of a measurement: those of the last `window_s`, and never fewer than some.

    The least number keeps a single stall, in which nothing else could be measured, from counting
    as all there is.
    """

    def __init__(self, window_s: float, values_min: int) -> None:
        self._window_s = window_s
        self._values_min = values_min
        self._values: deque[tuple[float, float]] = deque()

    def add(self, value: float, now_s: float) -> None:
        """One more value, measured now."""
        values = self._values
        values.append((now_s, value))
        while len(values) > self._values_min and values[0][0] <= now_s - self._window_s:
            values.popleft()

    def p90(self) -> float:
        """The value that nine in ten do not exceed (nearest rank); 0 where there are too few."""
        count = len(self._values)
        if count < self._values_min:
            return 0.0
        return sorted(value for _, value in self._values)[math.ceil(0.9 * count) - 1]


class Ladder:
    """The level that follows from a delay, with its memory."""

    def __init__(self, thresholds_s: Sequence[float], calm_s: float) -> None:
        self._thresholds_s = tuple(thresholds_s)
        self._calm_s = calm_s
        self._is_entered = [False] * len(self._thresholds_s)
        self._loud_at_s = [0.0] * len(self._thresholds_s)

    def observe(self, delay_s: float, now_s: float) -> Level:
        """The level after this delay was seen."""
        for rung, threshold_s in enumerate(self._thresholds_s):
            if delay_s >= threshold_s / 2:
                self._loud_at_s[rung] = now_s
            if delay_s > threshold_s:
                self._is_entered[rung] = True
            elif now_s - self._loud_at_s[rung] >= self._calm_s:
                self._is_entered[rung] = False
        entered = [rung + 1 for rung, is_in in enumerate(self._is_entered) if is_in]
        return Level(max(entered, default=0))


class StandingDelay:
    """Tells a queue that stands from one that a burst made and that drains by itself.

    It stands when no wait has been shorter than the target for a whole interval (the idea of
    CoDel, RFC 8289).
    """

    def __init__(self, target_s: float, interval_s: float) -> None:
        self._target_s = target_s
        self._interval_s = interval_s
        self._above_since_s: float | None = None
        self._seen_s = 0.0

    def observe(self, delay_s: float, now_s: float) -> None:
        """Somebody's turn came after this wait."""
        self._seen_s = now_s
        if delay_s <= self._target_s:
            self._above_since_s = None
        elif self._above_since_s is None:
            self._above_since_s = now_s

    def is_standing(self, now_s: float) -> bool:
        """Where nobody came for ten intervals nothing is known, and nothing stands."""
        if self._above_since_s is None or now_s - self._seen_s > 10 * self._interval_s:
            return False
        return now_s - self._above_since_s >= self._interval_s


class Spread:
    """Times to come back at, so that those who are refused together do not return together.

    Multiples of the golden ratio lie evenly in every interval, however many are asked for; chance
    would leave lumps.
    """

    def __init__(self) -> None:
        self._place = 0.0

    def between(self, low_s: float, high_s: float) -> float:
        """The next time, in tenths of a second."""
        self._place = (self._place + GOLDEN) % 1.0
        return round(low_s + (high_s - low_s) * self._place, 1)


class Refusals:
    """How many times later who is refused has to come back, by how many are refused.

    A refusal is cheap, and thousands a second are not: a process that does nothing but refuse
    those it has refused before stays overloaded for ever.
    """

    def __init__(self) -> None:
        self._longer = 1.0
        self._second = 0
        self._count = 0

    def note(self, now_s: float) -> float:
        """One more; by what its time is to be multiplied."""
        second = int(now_s)
        if second != self._second:
            longer = self._longer * self._count / (REFUSALS_PER_S * (second - self._second))
            self._longer = min(LONGER_MAX, max(1.0, longer))
            self._second, self._count = second, 0
        self._count += 1
        return self._longer


class DrainRate:
    """How fast a queue is served, from what was served lately."""

    def __init__(self) -> None:
        self._rows = 0.0
        self._seconds = 0.0
        self._last_s: float | None = None
        self._spread = Spread()

    def note(self, rows: int, now_s: float) -> None:
        """So many were served between the last note and now; half a second ago counts half."""
        if self._last_s is not None:
            # A pause in which nobody came says nothing about the speed.
            lasted_s = min(now_s - self._last_s, DRAIN_PAUSE_S)
            fading = 0.5 ** (lasted_s / DRAIN_HALF_LIFE_S)
            self._rows = self._rows * fading + rows
            self._seconds = self._seconds * fading + lasted_s
        self._last_s = now_s

    def needed_s(self, waiting: int) -> float:
        """How long it takes to serve so many; 0 where nothing was served lately."""
        return waiting * self._seconds / self._rows if self._rows > 0.0 else 0.0

    def retry_after_s(self, waiting: int) -> float:
        """When those who wait now will have been served, and somewhat later for some."""
        low_s = min(RETRY_MAX_S, max(RETRY_MIN_S, self.needed_s(waiting)))
        return self._spread.between(low_s, 2 * low_s)
