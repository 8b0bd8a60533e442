"""What people on their devices saw: the only thing the judge looks at, beside what was promised.

A message reaches a device as an event or as what `send` returned. Events of a chat come in order; a
returned message takes its place among them by its seq, since it may come before its neighbours.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from itertools import pairwise
from operator import attrgetter
from typing import Final

from hodhod._models import Message
from hodhod._session import Kept
from hodhod_loadtest.invariants import Entry

SAVED_WITHIN_S: Final = 1.0
NoteMessage = Callable[[str, Message], None]


class Ledger:
    """One device's."""

    def __init__(self, user: int, note: NoteMessage) -> None:
        self.user: Final = user
        self.acknowledged: dict[tuple[int, int], int] = {}
        """(chat, client_id) → the seq that `send` returned, in whatever life."""
        self.attempted: dict[int, list[int]] = {}
        """Per chat the client_ids, in the order in which the person wrote."""
        self.promised: dict[int, list[int]] = {}
        """Per chat the client_ids that must come, because the program had the time to save them."""
        self._fresh: list[tuple[float, int, int]] = []
        self._events: dict[int, list[Entry]] = {}
        self._returned: dict[int, list[Entry]] = {}
        self._note = note

    def attempt(self, chat: int, client_id: int, now_s: float) -> None:
        """The person writes."""
        self._fresh.append((now_s, chat, client_id))
        self.attempted.setdefault(chat, []).append(client_id)

    def end_life(self, now_s: float) -> None:
        """The program ends: what it was given before the last moments must come one day."""
        for written_s, chat, client_id in self._fresh:
            if written_s <= now_s - SAVED_WITHIN_S:
                self.promised.setdefault(chat, []).append(client_id)
        self._fresh.clear()

    def take_event(self, message: Message) -> None:
        """The program was handed a message."""
        self._note("event", message)
        self._events.setdefault(message.chat, []).append(_entry(message))

    def take_returned(self, message: Message) -> None:
        """`send` returned."""
        self._note("returned", message)
        self.acknowledged[message.chat, message.client_id] = message.seq
        self._returned.setdefault(message.chat, []).append(_entry(message))

    def go_back(self, kept: Mapping[int, Kept]) -> int:
        """A new life begins, with what the session file knows. Returns how much is forgotten."""
        before = sum(map(len, (*self._events.values(), *self._returned.values())))
        for entries in (self._events, self._returned):
            for chat, log in entries.items():
                one = kept.get(chat, Kept(0))
                known = set(one.withheld)
                entries[chat] = [
                    entry for entry in log if entry.seq <= (one.position or 0) or entry.seq in known
                ]
        after = sum(map(len, (*self._events.values(), *self._returned.values())))
        return before - after

    def log(self, chat: int) -> list[Entry]:
        """The chat as this device holds it."""
        log = list(self._events.get(chat, ()))
        for entry in self._returned.get(chat, ()):
            if all(one.seq < two.seq for one, two in pairwise(log)):
                insort(log, entry, key=attrgetter("seq"))
            else:
                log.append(entry)  # out of order already: the judge will say so
        return log

    def count(self, chat: int) -> int:
        """How many messages of the chat are here."""
        return len(self._events.get(chat, ())) + len(self._returned.get(chat, ()))


def _entry(message: Message) -> Entry:
    return Entry(message.seq, message.sender, message.client_id)
