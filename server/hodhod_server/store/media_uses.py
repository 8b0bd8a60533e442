"""Which messages name which file, and whether their chats wait for it to be whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.ids import ChatId, MediaId
from hodhod_server.store.database import Tx
from hodhod_server.store.queries import Queries

SQL: Final = Queries.load("media_uses")
HOLD: Final = SQL["hold"]
ADD: Final = SQL["add"]
CHATS_OF: Final = SQL["chats_of"]
SETTLE: Final = SQL["settle"]
FIND_OWED: Final = SQL["find_owed"]
HOLD_CHAT: Final = SQL["hold_chat"]


class Held(NamedTuple):
    """A chat whose row is held."""

    is_broadcast: bool
    hides_sender: bool


async def hold(tx: Tx, files: Collection[MediaId]) -> set[MediaId]:
    """Those that are there, until the transaction ends."""
    return {MediaId(row["media_id"]) for row in await tx.fetch(HOLD, list(files))}


async def add(tx: Tx, drafts: Sequence[Draft], places: Sequence[Appended | None]) -> None:
    """The files, which are held, of messages that were written in this transaction."""
    named = [
        (place.chat, place.seq, draft.media, draft.awaits_media)
        for draft, place in zip(drafts, places, strict=True)
        if draft.media and place is not None
    ]
    if named:
        await tx.execute(ADD, *map(list, zip(*named, strict=True)))


async def chats_of(tx: Tx, media_id: MediaId, *, only_awaiting: bool) -> list[ChatId]:
    """The chats that name a file."""
    rows = await tx.fetch(CHATS_OF, media_id, only_awaiting)
    return [ChatId(row["chat_id"]) for row in rows]


async def settle(tx: Tx, media_id: MediaId, chat: ChatId) -> bool:
    """The chat is told now. Did it wait?"""
    return bool(await tx.fetch(SETTLE, media_id, chat))


async def find_owed(tx: Tx, rows_max: int) -> list[MediaId]:
    """Files that are whole and for which a chat still waits."""
    return [MediaId(row["media_id"]) for row in await tx.fetch(FIND_OWED, rows_max)]


async def hold_chat(tx: Tx, chat: ChatId) -> Held:
    """Until the transaction ends nobody else writes in the chat."""
    row = await tx.fetchrow(HOLD_CHAT, chat)
    assert row is not None, "media_uses refers to chats"
    return Held(row["is_broadcast"], row["hides_sender"])
