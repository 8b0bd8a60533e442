"""Hard limits of the wire contract, each with its reason. A server may publish smaller ones."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

ID_MAX: Final = 2**53 - 1  # the largest integer that JSON readers and JavaScript hold exactly
FRAME_BYTES_MAX: Final = 64 * 1024  # a text of 4,096 four-byte characters fits three times
TEXT_CHARS_MAX: Final = 4096  # what people know from Telegram; longer texts are files
NAME_CHARS_MAX: Final = 64
TITLE_CHARS_MAX: Final = 128  # two lines on a phone
ABOUT_CHARS_MAX: Final = 512  # a paragraph; longer texts are messages
NOTICE_USERS_MAX: Final = 200  # people in one event: as many as are added at once
FILE_NAME_CHARS_MAX: Final = 255  # the longest file name of common file systems
TOKEN_CHARS_MAX: Final = 1024
PHONE_CHARS_MAX: Final = 32  # room for separators, bidi marks and a country prefix
POSITIONS_MAX: Final = 1000  # chats in one sync request: 1,000 of the longest take 50 KiB of JSON
PAGE_EVENTS_MAX: Final = 200  # of one chat
SYNC_EVENTS_MAX: Final = 500  # of all chats of a page

Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
Sender = Annotated[int, Meta(ge=0, le=ID_MAX)]
Seq = Annotated[int, Meta(ge=0, le=ID_MAX)]
TimeMs = Annotated[int, Meta(ge=0, le=ID_MAX)]
Count = Annotated[int, Meta(ge=0, le=ID_MAX)]
DurationS = Annotated[int, Meta(ge=0, le=ID_MAX)]
DurationMs = Annotated[int, Meta(ge=0, le=ID_MAX)]
Ref = Annotated[int, Meta(ge=0, le=ID_MAX)]
PublicId = Annotated[str, Meta(min_length=22, max_length=43, pattern=r"^[A-Za-z0-9_-]+\Z")]
