"""One chat's log on this side: what was handed over, what waits, what is missing.

    position ≤ received ≤ last
    handed     contiguous   known to exist

Events may come in any order, any number of times, or never. Always true: `position` only grows;
what lies in (position, received] is here and can be handed over; a gap is received < last. `None`
in the place of an event is one the user does not get: an own message that `send` returned, or an
event of a later version.
"""

from __future__ import annotations

from collections.abc import Iterable

from hodhod_wire.events import Message


class ChatLog:
    """The log of one chat. `position` is `None` until it is known where the log starts for us."""

    __slots__ = ("_events", "_first", "last", "position", "received")

    def __init__(self, position: int | None, withheld: Iterable[int] = ()) -> None:
        self.position = position
        self.received = position or 0
        self.last = self.received
        self._events: dict[int, Message | None] = dict.fromkeys(withheld)
        self._first = min(self._events, default=None)
        self._settle()

    def __len__(self) -> int:
        """Places that are remembered beyond the position."""
        return len(self._events)

    @property
    def has_begun(self) -> bool:
        """It is known where the log starts for us."""
        return self.position is not None

    @property
    def has_gap(self) -> bool:
        """Something is missing between what is here and what is known to exist."""
        return self.has_begun and self.received < self.last

    @property
    def withheld(self) -> list[int]:
        """Places beyond the position that the user does not get."""
        return sorted(seq for seq, event in self._events.items() if event is None)

    def happened(self, seq: int) -> None:
        """An event came while we were here: the log begins with it, if not before."""
        self.exists(seq)
        self._first = seq if self._first is None else min(seq, self._first)

    def start(self, position: int) -> None:
        """The log begins after `position`; nothing but withheld places was taken before."""
        position = position if self._first is None else min(position, self._first - 1)
        self.position = self.received = position
        self._events = {seq: event for seq, event in self._events.items() if seq > position}
        self.exists(position)
        self._settle()

    def is_new(self, seq: int) -> bool:
        """The log has begun, and this was neither taken nor handed over."""
        return self.position is not None and seq > self.position and seq not in self._events

    def is_next(self, seq: int) -> bool:
        """This is what the log waits for."""
        return seq == self.received + 1

    def exists(self, seq: int) -> None:
        """The log is known to go at least this far."""
        self.last = max(self.last, seq)

    def take(self, seq: int, event: Message | None) -> int:
        """Keep an event that `is_new`. Returns how many events became ready."""
        self.exists(seq)
        self._events[seq] = event
        return self._settle()

    def withhold(self, seq: int) -> tuple[Message | None, int]:
        """Never hand over `seq`. Returns what lay there, and how many others became ready."""
        self.exists(seq)
        if self.position is not None and seq <= self.position:
            return None, 0
        before = self._events.get(seq)
        self._events[seq] = None
        return before, self._settle()

    def skip_to(self, seq: int) -> int:
        """What is missing up to `seq` is hidden from us. Returns how many events became ready."""
        self.exists(seq)
        if self.position == self.received and not any(one <= seq for one in self._events):
            self.position = self.received = seq
        else:
            for missing in range(self.received + 1, seq + 1):
                self._events.setdefault(missing, None)
        return self._settle()

    def hand_over(self) -> Message:
        """The next ready event, in order; there must be one."""
        assert self.position is not None
        event = self._events.pop(self.position + 1)
        assert event is not None, "withheld places are passed as soon as they are reached"
        self.position += 1
        self._pass_withheld()
        return event

    def forget_gap(self) -> int:
        """Give up what is missing and what lies beyond. Returns how many events were let go."""
        beyond = [seq for seq in self._events if seq > self.received]
        dropped = [self._events.pop(seq) for seq in beyond]
        self.last = self.received
        return sum(event is not None for event in dropped)

    def _settle(self) -> int:
        """Move `received` over what is here; count what the user will get of it."""
        if not self.has_begun:
            return 0
        ready = 0
        while self.received + 1 in self._events:
            self.received += 1
            ready += self._events[self.received] is not None
        self.exists(self.received)
        self._pass_withheld()
        return ready

    def _pass_withheld(self) -> None:
        assert self.position is not None
        while self.position < self.received and self._events[self.position + 1] is None:
            self.position += 1
            del self._events[self.position]
