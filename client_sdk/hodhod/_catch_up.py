"""What to ask the server for: one request at a time, the most general first.

After each connect and each `resync` comes a round: `sync` over all chats, in pages. Then the chats
that were heard of and are not known, one by one. Then `history` for gaps that stay open longer than
two gateways' pushes take to cross. Always true: as long as something is missing and the connection
stands, there is either a request under way or a moment at which the next one is due.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from hodhod._chat_log import ChatLog
from hodhod_wire.frames import History, Position, Sync
from hodhod_wire.limits import PAGE_EVENTS_MAX, POSITIONS_MAX

GAP_GRACE_S: Final = 0.25
PAUSE_S: Final = 2.0  # after an answer that did not help


class CatchUp:
    """The next request, given the logs and how many events there is room for."""

    def __init__(self, logs: Mapping[int, ChatLog], dice: random.Random) -> None:
        self._logs = logs
        self._dice = dice
        self._is_connected = False
        self._asked: Sync | History | None = None
        self._round_after: int | None = None
        self._resync_at_s: float | None = None
        self._paused_until_s = 0.0
        self._strangers: dict[int, None] = {}
        self._gaps: dict[int, float] = {}

    def connected(self) -> None:
        """A new connection, on which events are pushed already: a round begins."""
        self._is_connected = True
        self._asked = None
        self._round_after = 0
        self._resync_at_s = None
        self._paused_until_s = 0.0

    def disconnected(self) -> None:
        """Whatever was asked will not be answered."""
        self._is_connected = False
        self._asked = None

    def resync(self, within_ms: int, now_s: float) -> None:
        """A round is wanted at a random moment in the time given."""
        due_s = now_s + self._dice.random() * within_ms / 1000
        self._resync_at_s = due_s if self._resync_at_s is None else min(due_s, self._resync_at_s)

    def look_up(self, chat: int) -> None:
        """The chat was heard of and is not known in full."""
        self._strangers[chat] = None

    def is_known(self, chat: int) -> None:
        """The chat need not be looked up any more."""
        self._strangers.pop(chat, None)

    def note_gap(self, chat: int, due_s: float) -> None:
        """The chat's log changed; a gap that is still open is asked for from `due_s` on."""
        if chat in self._logs and self._logs[chat].has_gap:
            self._gaps.setdefault(chat, due_s)
        else:
            self._gaps.pop(chat, None)

    def renew_gap(self, chat: int, due_s: float) -> None:
        """As `note_gap`, with a new moment."""
        self._gaps.pop(chat, None)
        self.note_gap(chat, due_s)

    def next_request(self, now_s: float, room: int) -> Sync | History | None:
        """What to ask now; `None` while an answer is awaited or nothing is due."""
        if not self._is_connected or self._asked is not None or now_s < self._paused_until_s:
            return None
        if self._round_after is None and now_s >= (self._resync_at_s or float("inf")):
            self._resync_at_s, self._round_after = None, 0
        if self._round_after is not None:
            self._asked = self._sync_page(self._round_after)
        elif self._strangers:
            self._asked = self._sync_one(next(iter(self._strangers)))
        else:
            self._asked = self._history(now_s, room)
        return self._asked

    def next_due_s(self, room: int) -> float | None:
        """When `next_request` may have something, if nothing happens before."""
        if not self._is_connected or self._asked is not None:
            return None
        times = list(self._gaps.values()) if room else []
        if self._resync_at_s is not None:
            times.append(self._resync_at_s)
        if self._round_after is not None or self._strangers:
            times.append(self._paused_until_s)
        return max(min(times), self._paused_until_s) if times else None

    def answered(self, next_after: int | None = None) -> Sync | History | None:
        """The answer came; for a `sync`, with its `next`. Returns what had been asked."""
        asked, self._asked = self._asked, None
        if isinstance(asked, Sync) and self._round_after is not None:
            self._round_after = next_after if next_after is not None else asked.until
        elif isinstance(asked, Sync):
            self.is_known(asked.after + 1)
        return asked

    @property
    def is_round_over(self) -> bool:
        """No round is under way."""
        return self._round_after is None

    def refused(self, now_s: float, retry_after_s: float | None) -> Sync | History | None:
        """Nothing is asked for a while; what had been asked, and returned here, is still wanted."""
        asked, self._asked = self._asked, None
        self._paused_until_s = now_s + (retry_after_s or PAUSE_S)
        return asked

    def _sync_page(self, after: int) -> Sync:
        known = sorted(chat for chat, log in self._logs.items() if chat > after and log.has_begun)
        return Sync(
            after=after,
            until=known[POSITIONS_MAX - 1] if len(known) > POSITIONS_MAX else None,
            positions=[self._position(chat) for chat in known[:POSITIONS_MAX]],
        )

    def _sync_one(self, chat: int) -> Sync:
        has_begun = chat in self._logs and self._logs[chat].has_begun
        positions = [self._position(chat)] if has_begun else []
        return Sync(after=chat - 1, until=chat, positions=positions)

    def _position(self, chat: int) -> Position:
        return Position(chat=chat, seq=self._logs[chat].received)

    def _history(self, now_s: float, room: int) -> History | None:
        chat = next((chat for chat, due_s in self._gaps.items() if due_s <= now_s), None)
        if chat is None or not room:
            return None
        return History(chat=chat, after=self._logs[chat].received, limit=min(room, PAGE_EVENTS_MAX))
