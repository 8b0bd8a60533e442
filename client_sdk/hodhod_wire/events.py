"""Events: what a chat's log is made of. `seq` has no gaps within a chat.

A body is validated once, where it enters, and travels encoded from there on: `OpaqueMessage` has
the members of `Message` with the body as bytes, and is what the server's delivery path handles.
A reader that meets an event or a body it does not know keeps its position (`EventHeader`).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from hodhod_wire.limits import FILE_NAME_CHARS_MAX, TEXT_CHARS_MAX, Id, PublicId, Seq, TimeMs


class Text(Struct, frozen=True, tag_field="t", tag="text"):
    """A text message."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARS_MAX)]

    def __repr__(self) -> str:
        return f"Text({len(self.text)} characters)"


class File(Struct, frozen=True, tag_field="t", tag="file", omit_defaults=True):
    """A finished upload, shown as a file, a picture or a video by its media type."""

    media: PublicId
    name: Annotated[str, Meta(min_length=1, max_length=FILE_NAME_CHARS_MAX)]
    size: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    type: Annotated[str, Meta(max_length=127)] = "application/octet-stream"
    caption: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)] = ""

    def __repr__(self) -> str:
        return f"File({self.size} bytes)"


Body = Text | File


class EventHeader(Struct, frozen=True):
    """What every event has, whatever its tag."""

    chat: Id
    seq: Seq


class Message(Struct, frozen=True, kw_only=True, tag_field="t", tag="message"):
    """Somebody wrote. `client_id` is the sender's own name for it, unique among the sender's."""

    chat: Id
    seq: Seq
    sender: Id
    client_id: Id
    at: TimeMs
    body: Body


class OpaqueMessage(Struct, frozen=True, kw_only=True, tag_field="t", tag="message"):
    """`Message` with its body as the bytes it arrived in: same members, same order, same bytes."""

    chat: Id
    seq: Seq
    sender: Id
    client_id: Id
    at: TimeMs
    body: Raw


Event = Message
