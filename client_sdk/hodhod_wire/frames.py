"""Frames: what travels over the WebSocket, as tagged maps (`t` is the tag).

A client's frame carries `ref`, and exactly one reply repeats it. `ref` 0 asks for no reply and is
allowed where nothing depends on the answer (`delivered`, `read`, `typing`). Pushes have no `ref`.
The first frame of a connection is `hello`; before its `welcome` nothing else is accepted.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

from hodhod_wire.events import Body
from hodhod_wire.limits import (
    ID_MAX,
    NAME_CHARS_MAX,
    PAGE_EVENTS_MAX,
    PHONE_CHARS_MAX,
    POSITIONS_MAX,
    SYNC_EVENTS_MAX,
    TOKEN_CHARS_MAX,
    Count,
    DurationMs,
    DurationS,
    Id,
    PublicId,
    Ref,
    Seq,
    TimeMs,
)


class Frame(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="t"):
    """What every frame is: a map with its tag in `t`; members at their default are left out."""


# --- from the client -----------------------------------------------------------------------------


class Request(Frame, frozen=True, kw_only=True):
    """A frame from the client."""

    ref: Ref = 0


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """The first frame. `token` is left out where the `Authorization` header carried it."""

    token: Annotated[str, Meta(max_length=TOKEN_CHARS_MAX)] | None = None
    agent: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] = ""

    def __repr__(self) -> str:
        return f"Hello(ref={self.ref}, agent={self.agent!r})"


class Send(Request, frozen=True, kw_only=True, tag="send"):
    """Append a message to a chat. A resend with the same `client_id` returns the first result."""

    chat: Id
    client_id: Id
    body: Body


class Position(Frame, frozen=True, kw_only=True, tag=False):
    """How far a client has a chat: every event up to and including `seq`."""

    chat: Id
    seq: Seq


class Sync(Request, frozen=True, kw_only=True, tag="sync"):
    """What happened in the caller's chats with ids in (`after`, `until`], beyond `positions`.

    A chat that is not among the positions comes with its last events. `since`: only the chats in
    which anything changed since then. `limit`: at most so many chats, and so many events of them in
    all; a link that breaks before a whole page has come needs small ones.
    """

    positions: Annotated[list[Position], Meta(max_length=POSITIONS_MAX)] = field(
        default_factory=list
    )
    after: Seq = 0
    until: Id | None = None
    since: TimeMs | None = None
    limit: Annotated[int, Meta(ge=1, le=SYNC_EVENTS_MAX)] | None = None


class History(Request, frozen=True, kw_only=True, tag="history"):
    """A page of a chat's log: the events before `before`, or after `after`, oldest first."""

    chat: Id
    before: Id | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=PAGE_EVENTS_MAX)] = 50


class OpenChat(Request, frozen=True, kw_only=True, tag="open_chat"):
    """The private chat with a user, named by id or by phone; made on first use."""

    user: Id | None = None
    phone: Annotated[str, Meta(max_length=PHONE_CHARS_MAX)] | None = None

    def __repr__(self) -> str:
        return f"OpenChat(ref={self.ref}, user={self.user})"


class GetChat(Request, frozen=True, kw_only=True, tag="get_chat"):
    """A chat of the caller's as it stands."""

    chat: Id


class Delivered(Request, frozen=True, kw_only=True, tag="delivered"):
    """The client has stored every event up to `seq`."""

    chat: Id
    seq: Seq


class Read(Request, frozen=True, kw_only=True, tag="read"):
    """The person has seen every event up to `seq`."""

    chat: Id
    seq: Seq


class Typing(Request, frozen=True, kw_only=True, tag="typing"):
    """The person is typing; shown to the others for a few seconds."""

    chat: Id


class MediaLink(Request, frozen=True, kw_only=True, tag="media_link"):
    """A short-lived address for the file in the message at `seq`."""

    chat: Id
    seq: Seq


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Is the server there? For clients that cannot send WebSocket pings."""


ClientFrame = (
    Hello
    | Send
    | Sync
    | History
    | OpenChat
    | GetChat
    | Delivered
    | Read
    | Typing
    | MediaLink
    | Ping
)

# --- what frames are made of ---------------------------------------------------------------------


class Member(Frame, frozen=True, kw_only=True, tag=False):
    """A person in a chat, and how far they have it."""

    user: Id
    name: str
    delivered: Seq = 0
    read: Seq = 0


class OwnMembership(Frame, frozen=True, kw_only=True, tag=False):
    """What the caller is in a group or channel, and may do there."""

    role: str
    permissions: list[str] = field(default_factory=list)
    own_permissions: list[str] | None = None
    muted_until: TimeMs | None = None
    first_seq: Seq = 1
    delivered: Seq = 0
    read: Seq = 0


class Chat(Frame, frozen=True, kw_only=True, tag=False):
    """A chat as its member sees it. `last_seq` is the newest event's; 0 while there is none.

    Private chats list their members; groups and channels count them, and have all that follows:
    what is the same for everybody, and in `me` what is the caller's own.
    """

    chat: Id
    kind: str
    last_seq: Seq = 0
    members: list[Member] = field(default_factory=list)
    title: str = ""
    about: str = ""
    member_count: Count = 0
    default_permissions: list[str] = field(default_factory=list)
    slow_mode_s: DurationS = 0
    history: str = "all"
    signs_posts: bool = True
    broadcast: bool = False
    me: OwnMembership | None = None


class ChatDelta(Frame, frozen=True, kw_only=True, tag=False):
    """A chat and the events the client lacks. `more` tells that `history` has further ones."""

    chat: Chat
    events: list[Raw] = field(default_factory=list)
    more: bool = False


class Titles(Frame, frozen=True, kw_only=True, tag=False):
    """The same sentence for people, in two languages."""

    en: str
    fa: str


# --- replies -------------------------------------------------------------------------------------


class Reply(Frame, frozen=True, kw_only=True):
    """The one answer to the request with the same `ref`."""

    ref: Ref


class Welcome(Reply, frozen=True, kw_only=True, tag="welcome"):
    """Authenticated; events are pushed from here on. `at` is the server's clock."""

    user: Id
    device: Id
    at: TimeMs
    heartbeat_s: Annotated[int, Meta(ge=1, le=ID_MAX)] = 30
    reconnect_within_ms: DurationMs = 0


class Ok(Reply, frozen=True, kw_only=True, tag="ok"):
    """Done."""


class Error(Reply, frozen=True, kw_only=True, tag="error"):
    """Refused. `ref` is 0 where the request could not be read. `retry_after` is in seconds."""

    code: str
    titles: Titles
    detail: str = ""
    retry_after: Annotated[float, Meta(ge=0)] | None = None


class Sent(Reply, frozen=True, kw_only=True, tag="sent"):
    """The message is durable, at `seq`."""

    chat: Id
    seq: Seq
    at: TimeMs


class Synced(Reply, frozen=True, kw_only=True, tag="synced"):
    """One page of a sync. `next` is the `after` of the next page; absent on the last.

    `as_of` of the first page is the `since` of a later sync, once all pages have come.
    """

    chats: list[ChatDelta]
    next: Id | None = None
    as_of: TimeMs | None = None


class Page(Reply, frozen=True, kw_only=True, tag="page"):
    """Events of one chat, oldest first. `more` tells that the log goes on in that direction."""

    chat: Id
    events: list[Raw]
    more: bool = False


class ChatState(Reply, frozen=True, kw_only=True, tag="chat"):
    """The chat that was opened or asked for."""

    chat: Chat


class Link(Reply, frozen=True, kw_only=True, tag="link"):
    """An address that serves the file until `expires_at`, with ranges."""

    url: str
    expires_at: TimeMs


# --- pushes --------------------------------------------------------------------------------------


class EventPush(Frame, frozen=True, kw_only=True, tag="event"):
    """A new event in one of the caller's chats."""

    event: Raw


class PositionPush(Frame, frozen=True, kw_only=True, tag="position"):
    """How far a member now has the chat. A hint: the newest values come with `sync`."""

    chat: Id
    user: Id
    delivered: Seq
    read: Seq


class TypingPush(Frame, frozen=True, kw_only=True, tag="typing"):
    """A member is typing."""

    chat: Id
    user: Id


class ChatPush(Frame, frozen=True, kw_only=True, tag="chat_state"):
    """What the caller may do in a chat has changed, or the caller has come into it."""

    chat: Chat


class ChatGone(Frame, frozen=True, kw_only=True, tag="chat_gone"):
    """The caller is not in the chat any more."""

    chat: Id


class AccountNotice(Frame, frozen=True, kw_only=True, tag="account_notice"):
    """Something happened to the caller's account: `kind` says what, in one word.

    `signed_in` names the new device.
    """

    kind: str
    at: TimeMs
    device: Id | None = None
    name: str = ""
    platform: str = ""


class SignInAsked(Frame, frozen=True, kw_only=True, tag="sign_in_asked"):
    """Somebody proves the caller's number on another device, and asks to be let in.

    One of `numbers` stands on that device's screen: who approves names it.
    """

    challenge: PublicId
    at: TimeMs
    name: str
    platform: str
    numbers: list[Count]


class Resync(Frame, frozen=True, kw_only=True, tag="resync"):
    """Pushes may have been lost: send `sync` at a random moment within `within_ms`."""

    within_ms: DurationMs = 0


Push = (
    EventPush
    | PositionPush
    | TypingPush
    | ChatPush
    | ChatGone
    | AccountNotice
    | SignInAsked
    | Resync
)
ServerFrame = Welcome | Ok | Error | Sent | Synced | Page | ChatState | Link | Push
