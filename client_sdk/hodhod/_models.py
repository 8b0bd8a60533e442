"""What the SDK hands to its user: people, chats, messages, what happens.

Always true: every value is frozen; times are integers, milliseconds since the epoch, UTC, by the
server's clock; sizes are bytes. `str()` of a message shows its text, `repr()` never does, because
what is printed is meant for a person and what is logged is not.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from hodhod._errors import Refused
from hodhod_wire import events, frames
from hodhod_wire.events import Content, File, MediaReady, Notice, Text


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


class Permission(StrEnum):
    """What a member of a group or channel may do. The first four may be everybody's."""

    POST = "post"
    SEND_FILES = "send_files"
    INVITE = "invite"
    CHANGE_INFO = "change_info"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_LINKS = "manage_links"
    APPROVE_REQUESTS = "approve_requests"
    PROMOTE = "promote"


class Membership(Struct, frozen=True, kw_only=True):
    """What the person who is signed in is in a group or channel, and may do there."""

    role: str
    """`owner`, `admin` or `member`."""
    permissions: tuple[str, ...]
    """All that the person may do; see `Permission`."""
    muted_until: int | None
    """Until then nothing may be written, whatever the permissions; `None`: not muted."""
    first_seq: int
    """The first message that the person may see."""
    delivered: int
    read: int

    def may(self, permission: str) -> bool:
        """Whether it is among the permissions."""
        return permission in self.permissions


class Chat(Struct, frozen=True, kw_only=True):
    """A chat as it stood when it was asked for. From `about` on: groups and channels."""

    id: int
    kind: str
    """`private`, `group` or `channel`; later kinds may follow."""
    title: str
    """What to call it: its title, or the names of the others in a private chat."""
    last_seq: int
    """The newest message's `seq`; 0 while there is none."""
    members: tuple[Member, ...]
    """Both people of a private chat. Those of a group are asked for: `client.groups.members`."""
    about: str = ""
    member_count: int = 0
    default_permissions: tuple[str, ...] = ()
    """What everybody may do who is neither an admin nor restricted."""
    slow_mode_s: int = 0
    """How long a member waits between two messages; 0: not at all."""
    history: str = "all"
    """What new members see of the past: `all`, or nothing (`from_joining`)."""
    signs_posts: bool = True
    """Whether a channel shows who wrote a post."""
    broadcast: bool = False
    """So large that nobody is told who comes and leaves."""
    me: Membership | None = None
    """`None` in a private chat."""


class GroupMember(Struct, frozen=True, kw_only=True):
    """A member of a group or channel, as `client.groups.members` gives them."""

    user: int
    name: str
    role: str
    """`owner`, `admin` or `member`."""
    permissions: tuple[str, ...] | None = None
    """An admin's own, or the most that a restricted member keeps; `None`: what everybody has."""
    muted_until: int | None = None
    joined_at: int | None = None


class Ban(Struct, frozen=True, kw_only=True):
    """Somebody who may not come into a group or channel."""

    user: int
    name: str
    until: int | None
    """`None`: for good."""
    banned_by: int
    banned_at: int


class InviteLink(Struct, frozen=True, kw_only=True):
    """A way into a group or channel, in force."""

    link: int
    token: str
    """What is passed on: whoever has it may join."""
    created_by: int
    uses: int
    """How many came in by it, or wait for approval."""
    expires_at: int | None
    uses_max: int | None
    requires_approval: bool

    def __repr__(self) -> str:
        return f"InviteLink(link={self.link}, uses={self.uses})"


class Voucher(Struct, frozen=True, kw_only=True):
    """A word for one newcomer, who gives it to `request_code` as `invite`."""

    voucher: str
    expires_at: int
    """Until when it is good, in milliseconds since the epoch."""

    def __repr__(self) -> str:
        return f"Voucher(expires_at={self.expires_at})"


class InvitePreview(Struct, frozen=True, kw_only=True):
    """Where a link leads."""

    kind: str
    """`group` or `channel`."""
    title: str
    about: str
    member_count: int
    requires_approval: bool


class JoinRequest(Struct, frozen=True, kw_only=True):
    """Somebody who waits to be let in."""

    user: int
    name: str
    requested_at: int


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
    ready: MediaReady | None = None
    """What the server found out about the file, where this client has heard of it."""

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

    @property
    def notice(self) -> Notice | None:
        """What the server wrote: `Joined`, `MediaReady` …; `None` for a message."""
        return self.body if isinstance(self.body, Notice) else None

    def __str__(self) -> str:
        if self.notice is not None:
            return f"notice {self.seq} in chat {self.chat}: {_told(self.notice)}"
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


class ChatChanged(Struct, frozen=True, kw_only=True):
    """The person came into a group or channel, or what the person may do there has changed."""

    chat: Chat
    is_new: bool
    """It was not among the person's chats before."""


class ChatGone(Struct, frozen=True, kw_only=True):
    """The person is not in this chat any more: left, was removed or banned."""

    chat: int


class AccountNotice(Struct, frozen=True, kw_only=True):
    """Something happened to the person's account."""

    kind: str
    """`signed_in`, `pin_wrong`, `pin_locked`, `number_changed`, `number_lost`: one word."""
    at: int
    device: int | None = None
    """The new device of `signed_in`; `name` and `platform` are what it says of itself."""
    name: str = ""
    platform: str = ""


class SignInAsked(Struct, frozen=True, kw_only=True):
    """Somebody asks to be signed in as this person elsewhere: `security.approve_sign_in` lets them.

    One of `numbers` stands on the other screen; let the person choose it.
    """

    challenge: str
    at: int
    name: str
    platform: str
    numbers: tuple[int, ...]


Event = (
    Message
    | PositionChanged
    | TypingSeen
    | SendRefused
    | ChatChanged
    | ChatGone
    | AccountNotice
    | SignInAsked
)


class NextChannel(Struct, frozen=True):
    """A way for the code, and the earliest moment for it. `message`: see `Challenge.inbound`."""

    channel: str
    at: int


class Eta(Struct, frozen=True):
    """Seconds until the code is handed over: half of the people, and nine of ten, wait less."""

    p50: float
    p90: float


class InboundText(Struct, frozen=True):
    """A text that proves the number it is sent from, and the number to send it to."""

    line: str
    text: str

    def __repr__(self) -> str:
        return f"InboundText(line={self.line!r})"


def told_from(push: frames.AccountNotice | frames.SignInAsked) -> AccountNotice | SignInAsked:
    """The user's form of what was told of the account."""
    if isinstance(push, frames.SignInAsked):
        return SignInAsked(
            challenge=push.challenge,
            at=push.at,
            name=push.name,
            platform=push.platform,
            numbers=tuple(push.numbers),
        )
    return AccountNotice(
        kind=push.kind, at=push.at, device=push.device, name=push.name, platform=push.platform
    )


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
        about=chat.about,
        member_count=chat.member_count or len(members),
        default_permissions=tuple(chat.default_permissions),
        slow_mode_s=chat.slow_mode_s,
        history=chat.history,
        signs_posts=chat.signs_posts,
        broadcast=chat.broadcast,
        me=None if chat.me is None else membership_from(chat.me),
    )


def membership_from(me: frames.OwnMembership) -> Membership:
    """The user's form of what the caller is in a chat."""
    return Membership(
        role=me.role,
        permissions=tuple(me.permissions),
        muted_until=me.muted_until,
        first_seq=me.first_seq,
        delivered=me.delivered,
        read=me.read,
    )


def _told(notice: Notice) -> str:
    match notice:
        case events.Created():
            return f"created [{notice.title}]"
        case events.Joined():
            return f"joined: {', '.join(map(str, notice.users))}"
        case events.Left() | events.Removed():
            return f"{type(notice).__name__.lower()}: {notice.user}"
        case events.MediaReady():
            return f"file of {notice.size} bytes is ready"
        case events.Changed():
            given = [name for name in notice.__struct_fields__ if getattr(notice, name) is not None]
            return f"changed: {', '.join(given)}"
