"""What the SDK hands to its user: people, chats, messages, what happens, how far a transfer is.

Always true: every value is frozen; times are integers, milliseconds since the epoch, UTC, by the
server's clock; sizes are bytes. `str()` of a message shows its text, `repr()` never does, because
what is printed is meant for a person and what is logged is not.
"""

from __future__ import annotations

from msgspec import Struct

from hodhod._errors import Refused
from hodhod_wire import events, frames
from hodhod_wire.events import Content, File, Text


class User(Struct, frozen=True):
    """A person."""

    id: int
    name: str


class Member(Struct, frozen=True, kw_only=True):
    """A person in a chat, and how far they have it."""

    user: int
    name: str
    delivered: int
    """Their devices have every message up to this `seq`."""
    read: int
    """They have seen every message up to this `seq`."""


class Chat(Struct, frozen=True, kw_only=True):
    """A chat as it stood when it was asked for."""

    id: int
    kind: str
    """`private`, `group` or `channel`; later kinds may follow."""
    title: str
    """What to call it: its title, or the names of the others in a private chat."""
    last_seq: int
    """The newest message's `seq`; 0 while there is none."""
    members: tuple[Member, ...]


class Message(Struct, frozen=True, kw_only=True):
    """A message that is durable on the server."""

    chat: int
    seq: int
    """Its place in the chat: 1, 2, 3 … without gaps."""
    sender: int
    """Who wrote it: a user's id; 0 where a channel speaks in its own name."""
    client_id: int
    """The sender's own name for it, the same however often it was sent again."""
    at: int
    """When the server stored it, in milliseconds since the epoch."""
    body: Content
    """What was written, or a notice of the server: `Joined`, `Changed` …"""

    @property
    def text(self) -> str:
        """The text, or the caption of a file; may be empty, and is for a notice."""
        match self.body:
            case Text(text):
                return text
            case File():
                return self.body.caption
            case _:
                return ""

    @property
    def file(self) -> File | None:
        """The file, `None` for a text."""
        return self.body if isinstance(self.body, File) else None

    def __str__(self) -> str:
        name = f"[{self.body.name}] " if isinstance(self.body, File) else ""
        return f"message {self.seq} in chat {self.chat} from user {self.sender}: {name}{self.text}"


class PositionChanged(Struct, frozen=True, kw_only=True):
    """A member's devices received (`delivered`) or the member saw (`read`) up to these `seq`s."""

    chat: int
    user: int
    delivered: int
    read: int


class TypingSeen(Struct, frozen=True, kw_only=True):
    """A member is typing. Show it for a few seconds."""

    chat: int
    user: int


class SendRefused(Struct, frozen=True, kw_only=True):
    """A message that nobody waited for any more was refused for good, and is gone."""

    chat: int
    client_id: int
    error: Refused


Event = Message | PositionChanged | TypingSeen | SendRefused


class Progress(Struct, frozen=True):
    """How far a transfer is. `sent` never goes back; it stands while lost bytes travel again."""

    sent: int
    """Bytes on the other side, or handed to the network."""
    total: int
    """Bytes altogether."""

    @property
    def fraction(self) -> float:
        """From 0.0 to 1.0."""
        return self.sent / self.total if self.total else 1.0

    def __str__(self) -> str:
        return f"{self.fraction:6.1%} of {self.total / 1e6:,.1f} MB"


class NextChannel(Struct, frozen=True):
    """Another way a code can be sent, and the earliest moment for it."""

    channel: str
    at: int


def message_from(event: events.Message) -> Message:
    """The user's form of an event of the wire."""
    return Message(
        chat=event.chat,
        seq=event.seq,
        sender=event.sender,
        client_id=event.client_id,
        at=event.at,
        body=event.body,
    )


def chat_from(chat: frames.Chat, me: int, members: tuple[Member, ...], last_seq: int) -> Chat:
    """The user's form of a chat; `me` is left out of the title, unless alone in it."""
    others = [member.name for member in members if member.user != me]
    return Chat(
        id=chat.chat,
        kind=chat.kind,
        title=chat.title or ", ".join(others or [member.name for member in members]),
        last_seq=last_seq,
        members=members,
    )
