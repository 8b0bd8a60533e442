"""Catching up: what a client lacks, and the log read backwards.

After a lost gateway thousands ask at once, and most lack nothing: syncs that come while others are
answered are answered together, with one query for all their chats and one for their events. That
takes a third of the CPU, and a storm uses one connection of the pool and not all of them. Positions
of members come along, since their pushes are only hints; a client that says `since` when it had all
of that gets the chats in which something changed. Nobody reads what is before their `first_seq`.

Always true: each sync is one page, bounded by `SyncPage`. The queue is bounded and refuses.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from hodhod_server.domain.clock import from_ms, to_ms
from hodhod_server.domain.errors import HodhodError, Malformed, Overloaded
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.rights import Rights
from hodhod_server.services.sync_pages import CHATS_PER_PAGE, LOOK_AT_MAX, SyncPage, fitting
from hodhod_server.store import chats, messages
from hodhod_server.store.chats import ChatsPage, PageOf
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.linger import Linger
from hodhod_wire.frames import History, Page, Sync, Synced
from hodhod_wire.limits import ID_MAX

QUEUE_MAX: Final = 10_000  # several seconds of a storm; beyond, coming again later is cheaper
WAIT_S: Final = 2.0  # longer than that is no burst
GATHER_S: Final = 0.003  # in a storm: those who were let in together ask together
SYNCS_AT_ONCE: Final = 32
EVENTS_AT_ONCE: Final = 1_000  # of several syncs; a long catch-up does not hold up the others
RETRY_AFTER_S: Final = 2.0
# A change counts from when it was made and is seen from COMMIT on: a few statements' timeouts.
COMMIT_WITHIN: Final = timedelta(minutes=1)


class _Asked:
    __slots__ = ("page", "request", "since_s", "user")

    def __init__(self, user: UserId, request: Sync) -> None:
        self.user = user
        self.request = request
        loop = asyncio.get_running_loop()
        self.since_s = loop.time()
        self.page: asyncio.Future[Synced] = loop.create_future()


_Planned = tuple[_Asked, SyncPage]


class Syncing:
    """Reading the log."""

    def __init__(self, database: Database, rights: Rights) -> None:
        self._database = database
        self._rights = rights
        self._queue: deque[_Asked] = deque()
        self._filled = asyncio.Event()
        self._linger = Linger(GATHER_S)

    async def sync(self, caller: Caller, request: Sync) -> Synced:
        """One page of what happened beyond the client's positions. Raises `Overloaded`."""
        return await self.submit(caller, request)

    def submit(self, caller: Caller, request: Sync) -> asyncio.Future[Synced]:
        """The same, to come; whoever no longer wants it cancels it. Raises `Overloaded`."""
        if len(self._queue) >= QUEUE_MAX:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        asked = _Asked(caller.user, request)
        self._queue.append(asked)
        self._filled.set()
        return asked.page

    async def run(self) -> None:
        """Answer syncs, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            if wait_s := self._linger.wait_s(len(self._queue)):
                await asyncio.sleep(wait_s)
            batch = self._take()
            try:
                async with self._database.connection() as connection:
                    while batch:
                        self._linger.took(len(batch), loop.time())
                        await _answer(connection, batch)
                        batch = self._take()
            except HodhodError as refusal:
                for asked in batch:
                    if not asked.page.done():
                        asked.page.set_exception(refusal)

    async def history(self, caller: Caller, request: History) -> Page:
        """A page of one chat's log. Raises `ChatNotFound`, `Malformed`."""
        chat = ChatId(request.chat)
        if request.before is not None and request.after is not None:
            raise Malformed("give before or after, not both")
        standing = await self._rights.require_member(caller.user, chat)
        first = standing.member.first_seq
        forwards = request.after is not None
        async with self._database.connection() as connection:
            if request.after is not None:
                events = await messages.page_after(
                    connection, chat, max(request.after, first - 1), request.limit + 1
                )
            else:
                events = await messages.page_before(
                    connection, chat, request.before or ID_MAX, request.limit + 1, first=first
                )
        kept = fitting(events if forwards else events[::-1], request.limit)
        if not forwards:
            kept.reverse()
        return Page(ref=request.ref, chat=chat, events=kept, more=len(kept) < len(events))

    def _take(self) -> list[_Asked]:
        count = min(len(self._queue), SYNCS_AT_ONCE)
        batch = [self._queue.popleft() for _ in range(count)]
        if not self._queue:
            self._filled.clear()
        in_time: list[_Asked] = []
        since_s = asyncio.get_running_loop().time() - WAIT_S
        for asked in batch:
            if asked.page.done():
                continue  # who asked has left since
            if asked.since_s < since_s:
                asked.page.set_exception(Overloaded(retry_after_s=RETRY_AFTER_S))
            else:
                in_time.append(asked)
        return in_time


async def _answer(connection: Tx, batch: Sequence[_Asked]) -> None:
    as_of_ms = to_ms(await chats.read_clock(connection))
    found = await _find(connection, [(asked.user, asked.request) for asked in batch], as_of_ms)
    planned = [
        (asked, SyncPage(page, asked.request.positions, as_of_ms, asked.request.limit))
        for asked, page in zip(batch, found, strict=True)
    ]
    for group in _groups(planned):
        sought = [item for _, page in group for item in page.wanted]
        events = iter(await messages.missed(connection, sought) if sought else [])
        for asked, page in group:
            of_page = [next(events) for _ in page.wanted]
            if not asked.page.done():
                asked.page.set_result(page.answer(asked.request.ref, of_page))


async def _find(
    connection: Tx, batch: Sequence[tuple[UserId, Sync]], as_of_ms: int
) -> list[ChatsPage]:
    """The chats of each page: all that are asked for, or those that changed."""
    whole: list[PageOf] = []
    changed: list[PageOf] = []
    since: list[datetime] = []
    for user, request in batch:
        page = PageOf(user, request.after, request.until or ID_MAX)
        if request.since is None:
            whole.append(page)
        else:
            changed.append(page)
            since.append(from_ms(min(request.since, as_of_ms)) - COMMIT_WITHIN)
    of_whole = await chats.pages_of(connection, whole, CHATS_PER_PAGE) if whole else []
    of_changed = (
        await chats.changed_pages_of(
            connection, changed, since, CHATS_PER_PAGE, look_at_max=LOOK_AT_MAX
        )
        if changed
        else []
    )
    next_whole, next_changed = iter(of_whole), iter(of_changed)
    return [next(next_whole if request.since is None else next_changed) for _, request in batch]


def _groups(planned: Sequence[_Planned]) -> Iterator[list[_Planned]]:
    """Pages whose events are fetched together."""
    group: list[_Planned] = []
    room = EVENTS_AT_ONCE
    for asked, page in planned:
        count = sum(item.at_most for item in page.wanted)
        if group and count > room:
            yield group
            group, room = [], EVENTS_AT_ONCE
        group.append((asked, page))
        room -= count
    if group:
        yield group
