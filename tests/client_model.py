"""What a client holds of its chats, and what it does with a push, as the wire protocol says.

The model asks the server for a chat that it does not know, as every client does; everything else it
works out from pushes alone.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.syncing import Syncing
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Changed, Joined, Left, Message, Removed
from hodhod_wire.frames import (
    Chat,
    ChatGone,
    ChatPush,
    EventPush,
    History,
    PositionPush,
    Sync,
)

Known = dict[int, Chat]


class ClientModel:
    """One person's device."""

    def __init__(self, syncing: Syncing, who: Caller) -> None:
        self._syncing = syncing
        self._who = who
        self.chats: Known = {}
        self.logs: dict[int, dict[int, Message]] = {}

    @classmethod
    async def synced(cls, syncing: Syncing, who: Caller) -> Self:
        """A device that has everything that the server has for it."""
        model = cls(syncing, who)
        after = 0
        while True:
            page = await syncing.sync(who, Sync(after=after))
            for delta in page.chats:
                await model._learn(delta.chat)
            if page.next is None:
                return model
            after = page.next

    def state(self) -> dict[int, Any]:
        """What can be seen; an empty private chat is not, before somebody writes in it."""
        return {
            number: (self._shown(chat), self.logs[number])
            for number, chat in self.chats.items()
            if chat.kind != "private" or chat.last_seq
        }

    async def take(self, envelope: Envelope) -> None:
        """A push; one that is not for this person is left."""
        is_named = self._who.user in envelope.users
        if not is_named and envelope.chat not in self.chats:
            return
        match frame := MSGPACK.decode_server(envelope.frame):
            case ChatPush():
                await self._learn(frame.chat)
            case ChatGone():
                self.chats.pop(frame.chat, None)
                self.logs.pop(frame.chat, None)
            case EventPush():
                event = MSGPACK.decode_event(frame.event)
                assert isinstance(event, Message)
                await self._hear(event)
            case PositionPush():
                self._move(frame)

    async def _learn(self, chat: Chat) -> None:
        self.chats[chat.chat] = chat
        log = self.logs.setdefault(chat.chat, {})
        page = await self._syncing.history(self._who, History(chat=chat.chat, limit=200))
        for raw in page.events:
            event = MSGPACK.decode_event(raw)
            assert isinstance(event, Message)
            if event.seq <= chat.last_seq:
                log[event.seq] = event

    async def _hear(self, event: Message) -> None:
        if event.chat not in self.chats:
            page = await self._syncing.sync(self._who, Sync(after=event.chat - 1, until=event.chat))
            await self._learn(page.chats[0].chat)
        chat = self.chats[event.chat]
        self.logs[event.chat][event.seq] = event
        if event.seq > chat.last_seq:
            self.chats[event.chat] = _after(chat, event)

    def _move(self, push: PositionPush) -> None:
        chat = self.chats[push.chat]
        reached = {"delivered": push.delivered, "read": push.read}
        if chat.me is not None:
            if push.user == self._who.user:
                me = msgspec.structs.replace(chat.me, **reached)
                self.chats[push.chat] = msgspec.structs.replace(chat, me=me)
            return
        members = [
            msgspec.structs.replace(one, **reached) if one.user == push.user else one
            for one in chat.members
        ]
        self.chats[push.chat] = msgspec.structs.replace(chat, members=members)

    @staticmethod
    def _shown(chat: Chat) -> Chat:
        """Without what is news only in a fresh chat."""
        if chat.broadcast or chat.kind == "channel":
            return msgspec.structs.replace(chat, member_count=0)
        return chat


def _after(chat: Chat, event: Message) -> Chat:
    chat = msgspec.structs.replace(chat, last_seq=event.seq)
    match event.body:
        case Joined(users):
            return msgspec.structs.replace(chat, member_count=chat.member_count + len(users))
        case Left() | Removed():
            return msgspec.structs.replace(chat, member_count=chat.member_count - 1)
        case Changed():
            given = {
                name: value
                for name, value in msgspec.structs.asdict(event.body).items()
                if value is not None
            }
            return _with_permissions(msgspec.structs.replace(chat, **given))
        case _:
            return chat


def _with_permissions(chat: Chat) -> Chat:
    """`me.permissions` follow from the default and one's own, as the protocol says."""
    assert chat.me is not None
    default, own = chat.default_permissions, chat.me.own_permissions
    order = ["post", "send_files", "invite", "change_info", "manage_members", "manage_links"]
    order += ["approve_requests", "promote"]
    match chat.me.role:
        case "owner":
            return chat
        case "admin":
            allowed = {*default, *(own or ())}
        case _:
            allowed = set(default) if own is None else set(default) & set(own)
    permissions = [name for name in order if name in allowed]
    me = msgspec.structs.replace(chat.me, permissions=permissions)
    return msgspec.structs.replace(chat, me=me)
