"""Events: what a chat's log is made of. `seq` has no gaps within a chat.

A body is validated once, where it enters, and travels encoded from there on: `OpaqueMessage` has
the members of `Message` with the body as bytes, and is what the server's delivery path handles.
Notices are bodies that only the server writes: what happened to a group.
A reader that meets an event or a body it does not know keeps its position (`EventHeader`).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from hodhod_wire.limits import (
    ABOUT_CHARS_MAX,
    FILE_NAME_CHARS_MAX,
    NOTICE_USERS_MAX,
    TEXT_CHARS_MAX,
    TITLE_CHARS_MAX,
    DurationS,
    Id,
    PublicId,
    Sender,
    Seq,
    TimeMs,
)

FileSize = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Pixels = Annotated[int, Meta(ge=1, le=1_000_000)]


class Text(Struct, frozen=True, tag_field="t", tag="text"):
    """A text message."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]

    def __repr__(self) -> str:
        return f"Text({len(self.text)} characters)"


class File(Struct, frozen=True, tag_field="t", tag="file", omit_defaults=True):
    """An upload, shown as a file, a picture or a video by its media type.

    `awaited` is the server's word: the upload had not ended when the message was written, and
    `media_ready` follows in this chat. `size` is then 0 where its length is not known either.
    """

    media: PublicId
    name: Annotated[str, Meta(min_length=1, max_length=FILE_NAME_CHARS_MAX)]
    size: FileSize
    type: Annotated[str, Meta(max_length=127)] = "application/octet-stream"
    caption: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)] = ""
    awaited: bool = False

    def __repr__(self) -> str:
        return f"File({self.size} bytes)"


Body = Text | File


class Created(Struct, frozen=True, tag_field="t", tag="created", omit_defaults=True):
    """The group or channel begins, with these members beside its owner."""

    title: Annotated[str, Meta(max_length=TITLE_CHARS_MAX)]
    users: Annotated[list[Id], Meta(max_length=NOTICE_USERS_MAX)] = []


class Joined(Struct, frozen=True, tag_field="t", tag="joined"):
    """These people are members now: the sender came in, or the sender let them in."""

    users: Annotated[list[Id], Meta(min_length=1, max_length=NOTICE_USERS_MAX)]


class Left(Struct, frozen=True, tag_field="t", tag="left"):
    """A member left."""

    user: Id


class Removed(Struct, frozen=True, tag_field="t", tag="removed"):
    """The sender removed a member."""

    user: Id


class Changed(Struct, frozen=True, tag_field="t", tag="changed", omit_defaults=True, kw_only=True):
    """What is given here has changed for everybody in the chat; the members are the chat's."""

    title: Annotated[str, Meta(max_length=TITLE_CHARS_MAX)] | None = None
    about: Annotated[str, Meta(max_length=ABOUT_CHARS_MAX)] | None = None
    default_permissions: list[str] | None = None
    slow_mode_s: DurationS | None = None
    history: str | None = None
    signs_posts: bool | None = None
    broadcast: bool | None = None


class MediaObject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something made of a file: `thumb`, `poster`, `play` … is its name in addresses."""

    name: Annotated[str, Meta(min_length=1, max_length=32)]
    type: Annotated[str, Meta(max_length=127)]
    size: FileSize
    width: Pixels | None = None
    height: Pixels | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class MediaReady(
    Struct, frozen=True, kw_only=True, tag_field="t", tag="media_ready", omit_defaults=True
):
    """A file that messages of this chat name can be fetched; later ones tell more of it.

    The newest tells all that is known. `blur` is a picture of a few bytes, to be shown until the
    true one is there.
    """

    media: PublicId
    size: FileSize
    type: Annotated[str, Meta(max_length=127)]
    width: Pixels | None = None
    height: Pixels | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    blur: Annotated[str, Meta(max_length=128)] = ""
    waveform: Annotated[str, Meta(max_length=256)] = ""
    problem: Annotated[str, Meta(max_length=32)] = ""
    objects: Annotated[list[MediaObject], Meta(max_length=16)] = []


Notice = Created | Joined | Left | Removed | Changed | MediaReady
Content = Text | File | Created | Joined | Left | Removed | Changed | MediaReady


class EventHeader(Struct, frozen=True):
    """What every event has, whatever its tag."""

    chat: Id
    seq: Seq


class Message(Struct, frozen=True, kw_only=True, tag_field="t", tag="message"):
    """Somebody wrote. `client_id` is the sender's own name for it, unique among the sender's.

    `sender` is 0 where the chat itself speaks: a channel that does not sign its posts.
    """

    chat: Id
    seq: Seq
    sender: Sender
    client_id: Id
    at: TimeMs
    body: Content


class OpaqueMessage(Struct, frozen=True, kw_only=True, tag_field="t", tag="message"):
    """`Message` with its body as the bytes it arrived in: same members, same order, same bytes."""

    chat: Id
    seq: Seq
    sender: Sender
    client_id: Id
    at: TimeMs
    body: Raw


Event = Message
