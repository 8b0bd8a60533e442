"""Hodhod for Python: sign in, write, read, send files, over connections that come and go.

    async with Client("https://hodhod.example", state="sara.session") as client: ...

One asynchronous client, no threads of yours needed. Everything public is named here.
"""

from __future__ import annotations

from hodhod._client import Client
from hodhod._errors import (
    ChallengeOver,
    CodeWrong,
    ConnectionLost,
    FileChanged,
    HodhodError,
    InvalidInput,
    NameRequired,
    NotAllowed,
    NotFound,
    ProofRequired,
    Refused,
    SendUnconfirmed,
    ServerNotUnderstood,
    SignedOut,
    StateUnusable,
    TryLater,
    TurnedAway,
)
from hodhod._groups import Groups
from hodhod._invites import Invites
from hodhod._models import (
    Ban,
    Chat,
    ChatChanged,
    ChatGone,
    Eta,
    Event,
    GroupMember,
    InboundText,
    InviteLink,
    InvitePreview,
    JoinRequest,
    Member,
    Membership,
    Message,
    NextChannel,
    Permission,
    PositionChanged,
    Progress,
    SendRefused,
    TypingSeen,
    User,
)
from hodhod._signup import Challenge
from hodhod_wire.events import Changed, Created, File, Joined, Left, Removed, Text

__all__ = [
    "Ban",
    "Challenge",
    "ChallengeOver",
    "Changed",
    "Chat",
    "ChatChanged",
    "ChatGone",
    "Client",
    "CodeWrong",
    "ConnectionLost",
    "Created",
    "Eta",
    "Event",
    "File",
    "FileChanged",
    "GroupMember",
    "Groups",
    "HodhodError",
    "InboundText",
    "InvalidInput",
    "InviteLink",
    "InvitePreview",
    "Invites",
    "JoinRequest",
    "Joined",
    "Left",
    "Member",
    "Membership",
    "Message",
    "NameRequired",
    "NextChannel",
    "NotAllowed",
    "NotFound",
    "Permission",
    "PositionChanged",
    "Progress",
    "ProofRequired",
    "Refused",
    "Removed",
    "SendRefused",
    "SendUnconfirmed",
    "ServerNotUnderstood",
    "SignedOut",
    "StateUnusable",
    "Text",
    "TryLater",
    "TurnedAway",
    "TypingSeen",
    "User",
]
