"""What to ask the server for: one request at a time, the most general first.

After each connect and each `resync` comes a round: `sync` over all chats, in pages; where there are
very many, from the second round on over those that changed since the one before. Then the chats
that were heard of and are not known, one by one. Then `history` for gaps that stay open longer than
two gateways' pushes take to cross. Always true: as long as something is missing and the connection
stands, there is either a request under way or a moment at which the next one is due.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from hodhod._chat_log import ChatLog
from hodhod_wire.frames import History, Position, Sync
from hodhod_wire.limits import PAGE_EVENTS_MAX, POSITIONS_MAX

GAP_GRACE_S: Final = 0.25
PAUSE_S: Final = 2.0  # after an answer that did not help
SINCE_CHATS_MIN: Final = 1000  # fewer are asked for whole, which also tells of chats that are gone
LIMIT_FIRST: Final = 128  # of a page, once one has not come through
SLICE: Final = 100  # positions told at once; as many chats as servers put into a page


class CatchUp:
    """The next request, given the logs and how many events there is room for."""

    def __init__(self, logs: Mapping[int, ChatLog], dice: random.Random) -> None:
        self._logs = logs
        self._dice = dice
        self._is_connected = False
        self._asked: Sync | History | None = None
        self._round_after: int | None = None
        self._round_chats: list[int] = []
        self._round_as_of: int | None = None
        self._as_of: int | None = None
        self._limit: int | None = None
        self._liveliest: OrderedDict[int, None] = OrderedDict()
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
        """Whatever was asked will not be answered. Perhaps it was too much for this link."""
        if self._asked is not None:
            self._limit = LIMIT_FIRST if self._limit is None else max(1, self._limit // 2)
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
        self._liveliest[chat] = None
        self._liveliest.move_to_end(chat)
        if len(self._liveliest) > POSITIONS_MAX:
            self._liveliest.popitem(last=False)
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
            if self._round_after == 0:
                self._round_chats = sorted(self._begun())
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

    def answered(
        self, next_after: int | None = None, as_of: int | None = None
    ) -> Sync | History | None:
        """The answer came; for a `sync`, with what its page says. Returns what had been asked."""
        asked, self._asked = self._asked, None
        if self._limit is not None:
            self._limit = None if self._limit >= LIMIT_FIRST else self._limit * 2
        if isinstance(asked, Sync) and self._round_after is not None:
            if asked.after == 0:
                self._round_as_of = as_of
            self._round_after = next_after if next_after is not None else asked.until
            if self._round_after is None:
                self._as_of = self._round_as_of
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
        if self._as_of is not None and len(self._logs) >= SINCE_CHATS_MIN:
            return Sync(
                after=after,
                since=self._as_of,
                positions=self._likely_positions(after),
                limit=self._limit,
            )
        first = bisect_right(self._round_chats, after)
        known = self._round_chats[first : first + SLICE]
        is_last = first + SLICE >= len(self._round_chats)
        return Sync(
            after=after,
            until=None if is_last else known[-1],
            positions=[self._position(chat) for chat in known],
            limit=self._limit,
        )

    def _likely_positions(self, after: int) -> list[Position]:
        """Those of the chats that are likely to have changed. Of the others the newest events come
        anyway, and what is missing before them is a gap.
        """
        few = self._begun() if len(self._logs) <= POSITIONS_MAX else self._liveliest
        return [
            self._position(chat)
            for chat in few
            if chat > after and chat in self._logs and self._logs[chat].has_begun
        ]

    def _begun(self) -> list[int]:
        return [chat for chat, log in self._logs.items() if log.has_begun]

    def _sync_one(self, chat: int) -> Sync:
        has_begun = chat in self._logs and self._logs[chat].has_begun
        positions = [self._position(chat)] if has_begun else []
        return Sync(after=chat - 1, until=chat, positions=positions, limit=self._limit)

    def _position(self, chat: int) -> Position:
        return Position(chat=chat, seq=self._logs[chat].received)

    def _history(self, now_s: float, room: int) -> History | None:
        chat = next((chat for chat, due_s in self._gaps.items() if due_s <= now_s), None)
        if chat is None or not room:
            return None
        limit = min(room, self._limit or PAGE_EVENTS_MAX)
        return History(chat=chat, after=self._logs[chat].received, limit=limit)
