"""One value and more for every frame, event and body: what the golden vectors are written from.

A value is made for a codec, because frames that carry events carry them encoded. The names are the
vectors' names; the documents show the vector that is named like its tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Raw, Struct

from hodhod_wire import frames
from hodhod_wire.codec import Codec
from hodhod_wire.events import File, Message, Text
from hodhod_wire.limits import ID_MAX

Sample = Callable[[Codec], Struct]

SARA: Final = 4
REZA: Final = 9
CHAT: Final = 7
AT_MS: Final = 1_763_870_400_123
CLIENT_ID: Final = 5_127_994_630_127_881
MEDIA: Final = "uM3Jq0Zr8yT2vK5nW1xP4g"

_TEXT: Final = Text(text="سلام، خوبی؟")
_FILE: Final = File(media=MEDIA, name="trip.mp4", size=157_286_400, type="video/mp4")
_MESSAGE: Final = Message(chat=CHAT, seq=42, sender=SARA, client_id=CLIENT_ID, at=AT_MS, body=_TEXT)
_FILE_MESSAGE: Final = Message(
    chat=CHAT, seq=43, sender=REZA, client_id=ID_MAX, at=AT_MS + 5_000, body=_FILE
)
_CHAT: Final = frames.Chat(
    chat=CHAT,
    kind="private",
    last_seq=43,
    members=[
        frames.Member(user=SARA, name="سارا", delivered=43, read=42),
        frames.Member(user=REZA, name="Reza"),
    ],
)


def _always(value: Struct) -> Sample:
    return lambda codec: value


def _raw(codec: Codec, *events: Message) -> list[Raw]:
    return [Raw(codec.encode(event)) for event in events]


CLIENT_FRAMES: Final[Mapping[str, Sample]] = {
    "hello": _always(frames.Hello(ref=1, agent="example/1.0")),
    "hello_in_a_browser": _always(frames.Hello(ref=1, token="lAEECQ.c2lnbmF0dXJl", agent="web")),
    "send": _always(frames.Send(ref=2, chat=CHAT, client_id=CLIENT_ID, body=_TEXT)),
    "send_file": _always(frames.Send(ref=3, chat=CHAT, client_id=CLIENT_ID + 1, body=_FILE)),
    "send_largest_numbers": _always(
        frames.Send(ref=ID_MAX, chat=ID_MAX, client_id=ID_MAX, body=Text(text="0"))
    ),
    "sync": _always(
        frames.Sync(ref=4, positions=[frames.Position(chat=CHAT, seq=41)], after=0, until=12)
    ),
    "sync_new_client": _always(frames.Sync(ref=4)),
    "history": _always(frames.History(ref=5, chat=CHAT, before=42, limit=20)),
    "history_newest": _always(frames.History(ref=5, chat=CHAT)),
    "history_after": _always(frames.History(ref=5, chat=CHAT, after=0, limit=200)),
    "open_chat": _always(frames.OpenChat(ref=6, phone="+989351112233")),
    "open_chat_by_user": _always(frames.OpenChat(ref=6, user=REZA)),
    "get_chat": _always(frames.GetChat(ref=7, chat=CHAT)),
    "delivered": _always(frames.Delivered(chat=CHAT, seq=42)),
    "read": _always(frames.Read(ref=8, chat=CHAT, seq=42)),
    "typing": _always(frames.Typing(chat=CHAT)),
    "media_link": _always(frames.MediaLink(ref=9, chat=CHAT, seq=43)),
    "ping": _always(frames.Ping(ref=10)),
}

SERVER_FRAMES: Final[Mapping[str, Sample]] = {
    "welcome": _always(frames.Welcome(ref=1, user=SARA, device=11, at=AT_MS)),
    "welcome_other_heartbeat": _always(
        frames.Welcome(ref=1, user=SARA, device=11, at=AT_MS, heartbeat_s=15)
    ),
    "welcome_to_many": _always(
        frames.Welcome(ref=1, user=SARA, device=11, at=AT_MS, reconnect_within_ms=12_000)
    ),
    "ok": _always(frames.Ok(ref=8)),
    "error": _always(
        frames.Error(
            ref=2,
            code="rate_limited",
            titles=frames.Titles(
                en="Too many requests. Please wait.", fa="درخواست‌ها زیاد است. کمی صبر کنید."
            ),
            retry_after=2.5,
        )
    ),
    "error_unreadable_request": _always(
        frames.Error(
            ref=0,
            code="malformed",
            titles=frames.Titles(
                en="The request is not well formed.", fa="درخواست ساختار درستی ندارد."
            ),
            detail="Expected `int`, got `str` - at `$.chat`",
        )
    ),
    "sent": _always(frames.Sent(ref=2, chat=CHAT, seq=42, at=AT_MS)),
    "synced": lambda codec: frames.Synced(
        ref=4,
        chats=[
            frames.ChatDelta(chat=_CHAT, events=_raw(codec, _MESSAGE, _FILE_MESSAGE)),
            frames.ChatDelta(
                chat=frames.Chat(chat=8, kind="private", members=[_CHAT.members[0]]), more=True
            ),
        ],
        next=8,
    ),
    "synced_nothing_new": _always(frames.Synced(ref=4, chats=[])),
    "page": lambda codec: frames.Page(ref=5, chat=CHAT, events=_raw(codec, _MESSAGE), more=True),
    "page_empty": _always(frames.Page(ref=5, chat=CHAT, events=[])),
    "chat": _always(frames.ChatState(ref=6, chat=_CHAT)),
    "link": _always(
        frames.Link(
            ref=9, url=f"https://media.example/v1/media/{MEDIA}?e=1&s=c2ln", expires_at=AT_MS
        )
    ),
    "event": lambda codec: frames.EventPush(event=Raw(codec.encode(_MESSAGE))),
    "position": _always(frames.PositionPush(chat=CHAT, user=REZA, delivered=43, read=0)),
    "typing": _always(frames.TypingPush(chat=CHAT, user=REZA)),
    "resync": _always(frames.Resync(within_ms=5_000)),
    "resync_at_once": _always(frames.Resync()),
}

EVENTS: Final[Mapping[str, Sample]] = {
    "message": _always(_MESSAGE),
    "message_with_file": _always(_FILE_MESSAGE),
}

BODIES: Final[Mapping[str, Sample]] = {
    "text": _always(_TEXT),
    "text_beyond_the_basic_plane": _always(Text(text="👩‍👩‍👧 \u200c\n\u0000")),
    "file": _always(_FILE),
    "file_unknown_type_with_caption": _always(
        File(media=MEDIA, name="یادداشت", size=0, caption="گوش کن")
    ),
}
