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
from hodhod_wire.events import (
    Changed,
    Created,
    File,
    Joined,
    Left,
    MediaObject,
    MediaReady,
    Message,
    Removed,
    Text,
)
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
_GROUP: Final = frames.Chat(
    chat=12,
    kind="group",
    last_seq=310,
    title="کوه‌نوردان",
    about="جمعه‌ها، شش صبح",
    member_count=214,
    default_permissions=["post", "send_files", "invite"],
    slow_mode_s=10,
    history="from_joining",
    me=frames.OwnMembership(
        role="admin",
        permissions=["post", "send_files", "invite", "manage_members"],
        own_permissions=["manage_members"],
        first_seq=57,
        delivered=310,
        read=301,
    ),
)
_CHANNEL: Final = frames.Chat(
    chat=13,
    kind="channel",
    last_seq=9,
    title="News",
    member_count=10_000,
    signs_posts=False,
    broadcast=True,
    me=frames.OwnMembership(role="member", muted_until=AT_MS),
)
_JOINED: Final = Message(
    chat=12, seq=311, sender=SARA, client_id=CLIENT_ID, at=AT_MS, body=Joined([REZA])
)
_UNSIGNED: Final = Message(
    chat=13, seq=10, sender=0, client_id=CLIENT_ID, at=AT_MS, body=Text(text="سلام")
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
    "sync_of_changes": _always(
        frames.Sync(ref=4, positions=[frames.Position(chat=CHAT, seq=41)], since=AT_MS)
    ),
    "sync_over_a_bad_link": _always(frames.Sync(ref=4, after=7, limit=16)),
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
    "synced_as_of": _always(frames.Synced(ref=4, chats=[], as_of=AT_MS)),
    "page": lambda codec: frames.Page(ref=5, chat=CHAT, events=_raw(codec, _MESSAGE), more=True),
    "page_empty": _always(frames.Page(ref=5, chat=CHAT, events=[])),
    "chat": _always(frames.ChatState(ref=6, chat=_CHAT)),
    "chat_of_a_group": _always(frames.ChatState(ref=6, chat=_GROUP)),
    "link": _always(
        frames.Link(
            ref=9, url=f"https://media.example/v1/media/{MEDIA}?e=1&s=c2ln", expires_at=AT_MS
        )
    ),
    "event": lambda codec: frames.EventPush(event=Raw(codec.encode(_MESSAGE))),
    "position": _always(frames.PositionPush(chat=CHAT, user=REZA, delivered=43, read=0)),
    "typing": _always(frames.TypingPush(chat=CHAT, user=REZA)),
    "chat_state": _always(frames.ChatPush(chat=_GROUP)),
    "chat_state_of_a_channel": _always(frames.ChatPush(chat=_CHANNEL)),
    "chat_gone": _always(frames.ChatGone(chat=12)),
    "resync": _always(frames.Resync(within_ms=5_000)),
    "resync_at_once": _always(frames.Resync()),
    "account_notice": _always(frames.AccountNotice(kind="pin_wrong", at=AT_MS)),
    "account_notice_of_a_device": _always(
        frames.AccountNotice(
            kind="signed_in", at=AT_MS, device=12, name="گوشی سارا", platform="android"
        )
    ),
    "sign_in_asked": _always(
        frames.SignInAsked(
            challenge=MEDIA, at=AT_MS, name="Pixel 9", platform="android", numbers=[12, 47, 80]
        )
    ),
}

EVENTS: Final[Mapping[str, Sample]] = {
    "message": _always(_MESSAGE),
    "message_with_file": _always(_FILE_MESSAGE),
    "message_with_notice": _always(_JOINED),
    "message_unsigned": _always(_UNSIGNED),
}

BODIES: Final[Mapping[str, Sample]] = {
    "text": _always(_TEXT),
    "text_beyond_the_basic_plane": _always(Text(text="👩‍👩‍👧 \u200c\n\u0000")),
    "file": _always(_FILE),
    "file_unknown_type_with_caption": _always(
        File(media=MEDIA, name="یادداشت", size=0, caption="گوش کن")
    ),
    "created": _always(Created("کوه‌نوردان", [REZA])),
    "created_without_others": _always(Created("News")),
    "joined": _always(Joined([REZA, 15])),
    "left": _always(Left(REZA)),
    "removed": _always(Removed(REZA)),
    "changed": _always(Changed(title="کوه‌نوردان", slow_mode_s=30)),
    "changed_in_all": _always(
        Changed(
            title="News",
            about="",
            default_permissions=[],
            slow_mode_s=0,
            history="all",
            signs_posts=False,
            broadcast=True,
        )
    ),
    "file_awaited": _always(
        File(media=MEDIA, name="trip.mp4", size=0, type="video/mp4", awaited=True)
    ),
    "media_ready": _always(MediaReady(media=MEDIA, size=157_286_400, type="video/mp4")),
    "media_ready_with_facts": _always(
        MediaReady(
            media=MEDIA,
            size=157_286_400,
            type="video/mp4",
            width=1920,
            height=1080,
            duration_ms=30_000,
            blur="LEHV6nWB2yk8",
            objects=[
                MediaObject(name="poster", type="image/jpeg", size=40_960, width=640, height=360),
                MediaObject(name="play", type="video/mp4", size=157_286_400),
            ],
        )
    ),
}
