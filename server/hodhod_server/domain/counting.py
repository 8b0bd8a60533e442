"""Counting how often something happened lately, for very many keys in little memory.

A count is one integer: the number of its window, what happened in the window before, and what in
this one. Its estimate takes the window before in the share that the sliding window still covers.
So a count costs no list of moments, and counts of several processes are added up by one rule.

Always true: a table never holds more than twice `keys_max` keys. Where it is full, the half that
was seen least recently is forgotten: whoever wants to be forgotten must be outnumbered first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_BITS: Final = 20
_MOST: Final = (1 << _BITS) - 1
# Of a conversion's integer, the place of each field.
_ANSWERED, _RIPE, _RIPENING, _FRESH, _PERIOD = (_BITS * place for place in range(5))
SHARED_MAX: Final = 2_000  # heavy keys that a process tells the others; the lightest matter least


def pack(index: int, before: int, now: int) -> int:
    """A count as one integer; what is too much for its field stays at the most."""
    return (index << 2 * _BITS) | (min(before, _MOST) << _BITS) | min(now, _MOST)


def unpack(packed: int, index: int) -> tuple[int, int]:
    """What happened in the window before `index`, and in it."""
    age = index - (packed >> 2 * _BITS)
    if age <= 0:
        return (packed >> _BITS) & _MOST, packed & _MOST
    return (packed & _MOST if age == 1 else 0), 0


def merge(one: int, other: int) -> int:
    """What two processes have counted of one key, together."""
    index = max(one >> 2 * _BITS, other >> 2 * _BITS)
    before_one, now_one = unpack(one, index)
    before_other, now_other = unpack(other, index)
    return pack(index, before_one + before_other, now_one + now_other)


class Forgetful:
    """A map of integers that forgets what was seen least recently, half of it at a time."""

    __slots__ = ("_keys_max", "_old", "_young")

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, key: int) -> int | None:
        """The value, without making it newer."""
        value = self._young.get(key)
        return self._old.get(key) if value is None else value

    def put(self, key: int, value: int) -> None:
        """Write the value and make it the newest."""
        self._old.pop(key, None)
        if key not in self._young and len(self._young) >= self._keys_max:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def pop(self, key: int) -> None:
        """Forget one."""
        self._young.pop(key, None)
        self._old.pop(key, None)


class Counts:
    """How often each key was seen in the last `window_s`; times are seconds since the epoch."""

    def __init__(self, window_s: float, keys_max: int, *, shared_from: int = 2) -> None:
        self.window_s = window_s
        self._own = Forgetful(keys_max)
        self._others: Mapping[int, int] = {}
        self._shared_from = shared_from
        self._heavy: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._own)

    def add(self, key: int, now_s: float, amount: int = 1) -> None:
        """It happened again."""
        index = int(now_s // self.window_s)
        packed = self._own.find(key)
        before, now = (0, 0) if packed is None else unpack(packed, index)
        self._own.put(key, pack(index, before, now + amount))
        if before + now + amount >= self._shared_from:
            self._note_heavy(key)

    def forgive(self, key: int, now_s: float, amount: int) -> None:
        """So many need not have happened. Nothing is saved up: it ends at zero."""
        packed = self._own.find(key)
        if packed is None:
            return
        index = int(now_s // self.window_s)
        before, now = unpack(packed, index)
        rest = max(0, amount - now)
        self._own.put(key, pack(index, max(0, before - rest), max(0, now - amount)))

    def estimate(self, key: int, now_s: float) -> float:
        """How often it happened in the last window, here and in the other processes."""
        if not self._is_known(key):
            return 0.0
        before, now, passed = self._total(key, now_s)
        return before * (1.0 - passed) + now

    def free_in_s(self, key: int, now_s: float, limit: float) -> float:
        """After how long once more would keep to the limit; 0: now."""
        if limit >= 1 and not self._is_known(key):
            return 0.0
        before, now, passed = self._total(key, now_s)
        if before * (1.0 - passed) + now + 1 <= limit:
            return 0.0
        if now + 1 <= limit:
            return self.window_s * max(0.0, 1.0 - (limit - 1 - now) / before - passed)
        left = 1.0 - passed
        return self.window_s * (left + max(0.0, 1.0 - max(0.0, limit - 1) / now))

    def shared(self) -> dict[int, int]:
        """The heavy keys, for the other processes and for the one that comes after this."""
        found = {key: self._own.find(key) for key in self._heavy}
        return {key: packed for key, packed in found.items() if packed is not None}

    def learn(self, others: Iterable[Mapping[int, int]]) -> None:
        """What the other processes have counted; it replaces what was learnt before."""
        merged: dict[int, int] = {}
        for counts in others:
            for key, packed in counts.items():
                known = merged.get(key)
                merged[key] = packed if known is None else merge(known, packed)
        self._others = merged

    def restore(self, counts: Mapping[int, int]) -> None:
        """Go on from what an earlier process has counted."""
        for key, packed in counts.items():
            known = self._own.find(key)
            self._own.put(key, packed if known is None else merge(known, packed))
            self._note_heavy(key)

    def _note_heavy(self, key: int) -> None:
        if key not in self._heavy:
            if len(self._heavy) >= SHARED_MAX:
                del self._heavy[next(iter(self._heavy))]
            self._heavy[key] = None

    def _is_known(self, key: int) -> bool:
        """Most who come are seen for the first time: for them nothing is reckoned."""
        return self._own.find(key) is not None or key in self._others

    def _total(self, key: int, now_s: float) -> tuple[int, int, float]:
        index, into_s = divmod(now_s, self.window_s)
        own, other = self._own.find(key), self._others.get(key)
        packed = own or 0
        if other is not None:
            packed = merge(packed, other)
        before, now = unpack(packed, int(index))
        return before, now, into_s / self.window_s


class Conversions:
    """Of the texts sent on behalf of a key, how many were followed by their code.

    Only texts that have had `ripe_s` to be answered are judged, so a burst is no crime. What is
    older counts half each hour. A count is one integer: period, fresh, ripening, ripe, answered.
    """

    def __init__(self, keys_max: int, *, ripe_s: float = 120.0) -> None:
        self._own = Forgetful(keys_max)
        self._ripe_s = ripe_s
        self._periods_per_hour = max(1, round(3600 / ripe_s))

    def __len__(self) -> int:
        return len(self._own)

    def note_sent(self, key: int, now_s: float) -> None:
        """A text goes out."""
        self._note(key, now_s, _FRESH)

    def note_answered(self, key: int, now_s: float) -> None:
        """A code came back."""
        if self._own.find(key) is not None:
            self._note(key, now_s, _ANSWERED)

    def answered(self, key: int, now_s: float) -> int:
        """How many codes came back lately, those of older hours counting less."""
        packed = self._current(key, now_s)
        return packed >> _ANSWERED & _MOST

    def is_barren(self, key: int, now_s: float, sent_min: int, share_min: float) -> bool:
        """So many were sent, and so few came back, that no people can be behind it."""
        packed = self._current(key, now_s)
        ripe, answered = packed >> _RIPE & _MOST, packed >> _ANSWERED & _MOST
        return ripe >= sent_min and answered < share_min * ripe

    def forget(self, key: int) -> None:
        """Judge it anew."""
        self._own.pop(key)

    def _note(self, key: int, now_s: float, field: int) -> None:
        packed = self._current(key, now_s)
        if packed >> field & _MOST < _MOST:
            packed += 1 << field
        self._own.put(key, packed)

    def _current(self, key: int, now_s: float) -> int:
        """The count as it stands in this period."""
        period, packed = int(now_s // self._ripe_s), self._own.find(key)
        if packed is None:
            return period << _PERIOD
        began = packed >> _PERIOD
        return packed if began >= period else self._aged(packed, began, period)

    def _aged(self, packed: int, began: int, period: int) -> int:
        """A count of an older period, in this one."""
        fresh, ripening = packed >> _FRESH & _MOST, packed >> _RIPENING & _MOST
        ripe, answered = packed >> _RIPE & _MOST, packed >> _ANSWERED & _MOST
        if period - began == 1:
            ripening, ripe = fresh, ripe + ripening
        else:
            ripening, ripe = 0, ripe + ripening + fresh
        hours = period // self._periods_per_hour - began // self._periods_per_hour
        ripe, answered = min(ripe >> hours, _MOST), answered >> hours
        return period << _PERIOD | ripening << _RIPENING | ripe << _RIPE | answered << _ANSWERED


class Baselines:
    """How much each key is seen in this window, against what is usual for it."""

    def __init__(self, window_s: float, keys_max: int, *, usual_min: float) -> None:
        self._window_s = window_s
        self._keys_max = keys_max
        self._usual_min = usual_min
        self._young: dict[int, tuple[int, int, float]] = {}
        self._old: dict[int, tuple[int, int, float]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, key: int, now_s: float, amount: int = 1) -> None:
        """It was seen again; a negative amount takes back."""
        index, count, usual = self._read(key, now_s)
        self._old.pop(key, None)
        if key not in self._young and len(self._young) >= self._keys_max:
            self._old, self._young = self._young, {}
        self._young[key] = (index, max(0, count + amount), usual)

    def ratio(self, key: int, now_s: float) -> float:
        """This window's count as a multiple of the usual one."""
        _, count, usual = self._read(key, now_s)
        return count / max(usual, self._usual_min)

    def ends_in_s(self, now_s: float) -> float:
        """How long this window still lasts."""
        return self._window_s - now_s % self._window_s

    def _read(self, key: int, now_s: float) -> tuple[int, int, float]:
        index = int(now_s // self._window_s)
        began, count, usual = self._young.get(key) or self._old.get(key) or (index, 0, 0.0)
        if index > began:
            usual = usual * 0.9 + count * 0.1
            usual *= 0.9 ** (index - began - 1)
            count = 0
        return index, count, usual
