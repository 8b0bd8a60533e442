"""Read and delivered positions: many small moves, few writes.

Every message moves two positions, so moves are gathered: one loop writes, several times a second,
whatever moved since. A mark is answered when it is durable; the others in a small chat get a hint,
in a larger one or a channel only the person's own devices. What a channel's readers move past is
counted as views, in the same transaction.

Always true: positions never go back and never pass the end of the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Final

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.chat_limits import RECEIPT_MEMBERS_MAX, VIEWS_PER_JUMP_MAX
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChatId, Seq, UserId
from hodhod_server.domain.load import Level, Load
from hodhod_server.domain.memberships import ChatKind, ChatRights, Standing
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.rights import Rights
from hodhod_server.store import chats, views
from hodhod_server.store.chats import Positions
from hodhod_server.store.database import Database
from hodhod_server.store.views import Jump
from hodhod_server.telemetry import metrics
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import PositionPush

# People do not see a tenth of a second, and a busy chat writes ten times a second at most. A loaded
# process gathers longer: of many moves in a chat only the last is written.
GATHER_S: Final = {Level.CALM: 0.1, Level.BUSY: 0.5, Level.STRAINED: 2.0, Level.SATURATED: 2.0}
PENDING_MAX: Final = 50_000  # refused beyond: a client marks again with its next message
BATCH_MAX: Final = 1_000
RETRY_AFTER_S: Final = 1.0
_Key = tuple[ChatId, UserId]


class _Move:
    __slots__ = ("audience", "counts_views", "delivered", "done", "read")

    def __init__(self, standing: Standing, user: UserId) -> None:
        self.audience = _audience(standing.chat, user)
        self.counts_views = standing.chat.kind is ChatKind.CHANNEL
        self.delivered = 0
        self.read = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class PositionKeeper:
    """How far everybody has their chats."""

    def __init__(self, database: Database, rights: Rights, delivery: Delivery, load: Load) -> None:
        self._database = database
        self._rights = rights
        self._delivery = delivery
        self._load = load
        self._pending: dict[_Key, _Move] = {}
        self._filled = asyncio.Event()

    async def mark(self, caller: Caller, chat: int, *, delivered: int = 0, read: int = 0) -> None:
        """Move the caller's positions forward. Returns when that is durable.

        Raises `ChatNotFound`, `Overloaded`.
        """
        standing = await self._rights.require_member(caller.user, ChatId(chat))
        key = (ChatId(chat), caller.user)
        move = self._pending.get(key)
        if move is None:
            if len(self._pending) >= PENDING_MAX:
                raise Overloaded(retry_after_s=RETRY_AFTER_S)
            move = self._pending[key] = _Move(standing, caller.user)
        move.delivered = max(move.delivered, delivered)
        move.read = max(move.read, read)
        self._filled.set()
        await asyncio.shield(move.done)  # others may wait for the same move

    async def run(self) -> None:
        """Write what moved, until cancelled."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(GATHER_S[self._load.level])
            gathered, self._pending = self._pending, {}
            self._filled.clear()
            moves = iter(gathered.items())
            while batch := dict(islice(moves, BATCH_MAX)):
                await self._write(batch)

    async def _write(self, batch: dict[_Key, _Move]) -> None:
        wanted = [
            Positions(chat, user, Seq(move.delivered), Seq(move.read))
            for (chat, user), move in batch.items()
        ]
        try:
            moved = await self._advance(wanted, batch)
        except Overloaded as refusal:
            _settle(batch.values(), refusal)
            return
        metrics.POSITIONS_WRITTEN.inc(len(moved))
        _settle(batch.values(), None)
        self._delivery.enqueue(_push(item, batch[item.chat, item.user]) for item in moved)

    async def _advance(self, wanted: list[Positions], batch: dict[_Key, _Move]) -> list[Positions]:
        if not any(move.counts_views for move in batch.values()):
            async with self._database.connection() as connection:
                return await chats.advance_positions(connection, wanted)
        async with self._database.transaction() as tx:
            moved = await chats.advance_positions(tx, wanted)
            jumps = [
                _jump(item)
                for item in moved
                if item.read > item.read_before and batch[item.chat, item.user].counts_views
            ]
            if jumps:
                await views.add(tx, jumps)
            return moved


def _audience(chat: ChatRights, user: UserId) -> tuple[UserId, ...]:
    if chat.kind is ChatKind.PRIVATE:
        return chat.users
    is_small = chat.kind is ChatKind.GROUP and not chat.is_broadcast
    return chat.users if is_small and len(chat.users) <= RECEIPT_MEMBERS_MAX else (user,)


def _jump(item: Positions) -> Jump:
    after = max(item.read_before, item.read - VIEWS_PER_JUMP_MAX)
    return Jump(item.chat, item.user, after, item.read)


def _push(item: Positions, move: _Move) -> Envelope:
    frame = PositionPush(chat=item.chat, user=item.user, delivered=item.delivered, read=item.read)
    return Envelope(move.audience, MSGPACK.encode(frame))


def _settle(moves: Iterable[_Move], failure: Overloaded | None) -> None:
    for move in moves:
        if move.done.done():
            continue
        if failure is None:
            move.done.set_result(None)
        else:
            move.done.set_exception(failure)
            move.done.exception()  # a mark nobody waits for may fail unheard
