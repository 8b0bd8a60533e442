"""People, chats and their logs in memory, with the answers that a gateway gives from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec import Raw, structs

from hodhod.testing._groups import FakeGroup
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Content, Message
from hodhod_wire.frames import (
    Chat,
    ChatDelta,
    History,
    Member,
    OwnMembership,
    Page,
    Position,
    Sync,
    Synced,
)
from hodhod_wire.limits import ID_MAX

EVENTS_PER_CHAT: Final = 5  # small, so that pages and gaps are met in short tests
RECENT_EVENTS: Final = 3
CHATS_PER_PAGE: Final = 3


@dataclass(slots=True)
class FakeChat:
    """A chat: who is in it, what was written, and how far each has it."""

    id: int
    members: dict[int, list[int]]
    """User → [delivered, read]."""
    log: list[Message] = field(default_factory=list)
    kind: str = "private"
    group: FakeGroup | None = None
    changed_at: int = 0
    """The number of the last change, among those of all chats."""


class Logs:
    """Everything that is durable in a real server."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.phones: dict[str, int] = {}
        self.chats: dict[int, FakeChat] = {}
        self._sent: dict[tuple[int, int], Message] = {}
        self._changes = 0

    def join(self, phone: str, name: str | None) -> tuple[int, bool]:
        """The user with this phone, and whether they are new. Raises `KeyError`: no name."""
        if phone in self.phones:
            return self.phones[phone], False
        if not name:
            raise KeyError(phone)
        user = self.phones[phone] = len(self.names) + 1
        self.names[user] = name
        return user, True

    def open_private(self, user: int, other: int) -> FakeChat:
        """The chat of two people."""
        for chat in self.chats.values():
            if chat.kind == "private" and set(chat.members) == {user, other}:
                return chat
        number = len(self.chats) + 1
        self.chats[number] = FakeChat(number, {user: [0, 0], other: [0, 0]})
        self._note_change(self.chats[number])
        return self.chats[number]

    def found(self, group: FakeGroup) -> FakeChat:
        """A group or channel that nobody is in yet."""
        number = len(self.chats) + 1
        self.chats[number] = FakeChat(number, {}, kind=group.kind, group=group)
        return self.chats[number]

    def append(self, chat: int, sender: int, client_id: int, body: Content, at: int) -> Message:
        """The message; for a `client_id` seen before, the first one of that name."""
        if (sender, client_id) not in self._sent:
            log, group = self.chats[chat].log, self.chats[chat].group
            message = Message(
                chat=chat,
                seq=len(log) + 1,
                sender=0 if group is not None and group.hides_sender else sender,
                client_id=client_id,
                at=at,
                body=body,
            )
            log.append(message)
            self._note_change(self.chats[chat])
            self._sent[sender, client_id] = message
        return self._sent[sender, client_id]

    def reach(self, position: Position, user: int, *, read: bool) -> FakeChat:
        """The user has the chat so far."""
        chat = self.chats[position.chat]
        reached = chat.members[user]
        reached[0] = max(reached[0], position.seq)
        if read:
            reached[1] = max(reached[1], position.seq)
        self._note_change(chat)
        return chat

    def describe(self, chat: FakeChat, user: int = 0) -> Chat:
        """The chat as it stands, as this member sees it."""
        if chat.group is not None:
            return Chat(
                chat=chat.id,
                kind=chat.kind,
                last_seq=len(chat.log),
                member_count=len(chat.group.seats),
                me=self._membership(chat, chat.group, user),
                **chat.group.settings,
            )
        return Chat(
            chat=chat.id,
            kind=chat.kind,
            last_seq=len(chat.log),
            members=[
                Member(user=user, name=self.names[user], delivered=delivered, read=read)
                for user, (delivered, read) in chat.members.items()
            ],
        )

    def _membership(self, chat: FakeChat, group: FakeGroup, user: int) -> OwnMembership:
        delivered, read = chat.members[user]
        return structs.replace(group.membership(user), delivered=delivered, read=read)

    def sync(self, request: Sync, user: int) -> Synced:
        """One page of what the user's device lacks."""
        known = {position.chat: position.seq for position in request.positions}
        until = request.until or ID_MAX
        found = [
            chat
            for number, chat in sorted(self.chats.items())
            if user in chat.members and request.after < number <= until
            if request.since is None or chat.group or chat.changed_at > request.since
        ]
        page = found[:CHATS_PER_PAGE]
        return Synced(
            ref=request.ref,
            chats=[self._delta(chat, user, known.get(chat.id)) for chat in page],
            next=page[-1].id if len(page) < len(found) else None,
            as_of=self._changes,
        )

    def _note_change(self, chat: FakeChat) -> None:
        self._changes += 1
        chat.changed_at = self._changes

    def _delta(self, chat: FakeChat, user: int, position: int | None) -> ChatDelta:
        start = max(0, len(chat.log) - RECENT_EVENTS) if position is None else position
        if chat.group is not None:
            start = max(start, chat.group.seats[user].first_seq - 1)
        events = chat.log[start : start + EVENTS_PER_CHAT]
        return ChatDelta(
            chat=self.describe(chat, user),
            events=[encoded(event) for event in events],
            more=start + len(events) < len(chat.log),
        )

    def history(self, request: History, user: int = 0) -> Page:
        """A page of one chat's log. Raises `KeyError` for who is not in the group."""
        log, group = self.chats[request.chat].log, self.chats[request.chat].group
        first = 1 if group is None else group.seats[user].first_seq
        if request.after is not None:
            after = max(request.after, first - 1)
            events = log[after : after + request.limit]
            more = after + len(events) < len(log)
        else:
            end = len(log) if request.before is None else request.before - 1
            start = max(first - 1, end - request.limit)
            events, more = log[start:end], start > first - 1
        found = [encoded(event) for event in events]
        return Page(ref=request.ref, chat=request.chat, events=found, more=more)


def encoded(message: Message) -> Raw:
    """A message as it travels."""
    return Raw(MSGPACK.encode(message))
