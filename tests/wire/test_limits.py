"""The limits that are published are the ones that hold, and their largest frames fit a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from msgspec import Struct

from hodhod_wire import limits
from hodhod_wire.codec import CODECS, Codec, InvalidFrame
from hodhod_wire.events import File, Text
from hodhod_wire.frames import Hello, History, OpenChat, Position, Send, Sync

EMOJI: Final = "🕊"  # four bytes in UTF-8, twelve where a JSON writer escapes everything
MEDIA: Final = "m" * 22


def _send(body: Text | File) -> Send:
    return Send(ref=1, chat=1, client_id=1, body=body)


LARGEST: Final[dict[str, tuple[int, Callable[[int], Struct]]]] = {
    "text": (limits.TEXT_CHARS_MAX, lambda size: _send(Text(text=EMOJI * size))),
    "caption": (
        limits.TEXT_CHARS_MAX,
        lambda size: _send(File(media=MEDIA, name="n", size=1, caption=EMOJI * size)),
    ),
    "file name": (
        limits.FILE_NAME_CHARS_MAX,
        lambda size: _send(File(media=MEDIA, name=EMOJI * size, size=1)),
    ),
    "agent": (limits.NAME_CHARS_MAX, lambda size: Hello(agent=EMOJI * size)),
    "token": (limits.TOKEN_CHARS_MAX, lambda size: Hello(token="t" * size)),
    "phone": (limits.PHONE_CHARS_MAX, lambda size: OpenChat(phone="9" * size)),
    "page": (limits.PAGE_EVENTS_MAX, lambda size: History(chat=1, limit=size)),
    "positions": (
        limits.POSITIONS_MAX,
        lambda size: Sync(positions=[Position(chat=limits.ID_MAX, seq=limits.ID_MAX)] * size),
    ),
}


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("name", LARGEST)
def test_a_limit_is_accepted_and_one_more_is_refused(codec: Codec, name: str) -> None:
    largest, frame = LARGEST[name]
    assert codec.decode_client(codec.encode(frame(largest))) == frame(largest)
    with pytest.raises(InvalidFrame):
        codec.decode_client(codec.encode(frame(largest + 1)))


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_frame_of_every_kind_fits(codec: Codec, name: str) -> None:
    largest, frame = LARGEST[name]
    assert len(codec.encode(frame(largest))) <= limits.FRAME_BYTES_MAX


def test_the_largest_text_fits_even_if_a_json_writer_escapes_every_character() -> None:
    escaped = len(r"\ud83d\udd4a") * limits.TEXT_CHARS_MAX
    names = len(r"\ud83d\udd4a") * limits.FILE_NAME_CHARS_MAX
    assert escaped + names + 1024 <= limits.FRAME_BYTES_MAX


@pytest.mark.parametrize("body", [Text(text=""), File(media=MEDIA, name="", size=1)], ids=repr)
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_what_must_not_be_empty_is_refused_empty(codec: Codec, body: Any) -> None:
    with pytest.raises(InvalidFrame):
        codec.decode_client(codec.encode(_send(body)))


@pytest.mark.parametrize("media", ["m" * 21, "m" * 44, "m" * 21 + "/", "m" * 22 + "\n", "م" * 22])
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_media_id_is_url_safe_text_of_its_length(codec: Codec, media: str) -> None:
    with pytest.raises(InvalidFrame):
        codec.decode_client(codec.encode(_send(File(media=media, name="n", size=1))))
