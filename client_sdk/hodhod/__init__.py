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
    PinRequired,
    PinWrong,
    Refused,
    SendUnconfirmed,
    ServerNotUnderstood,
    SignedOut,
    StateUnusable,
    TotpRequired,
    TryLater,
    TurnedAway,
)
from hodhod._groups import Groups
from hodhod._invites import Invites
from hodhod._models import (
    AccountNotice,
    Ban,
    Chat,
    ChatChanged,
    ChatGone,
    Event,
    GroupMember,
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
    SignInAsked,
    TypingSeen,
    User,
)
from hodhod._security import Guards, LinkedDevice, Security
from hodhod._sign_in import PendingLink, SignIn
from hodhod._signup import Challenge
from hodhod_wire.events import Changed, Created, File, Joined, Left, Removed, Text

__all__ = [
    "AccountNotice",
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
    "Event",
    "File",
    "FileChanged",
    "GroupMember",
    "Groups",
    "Guards",
    "HodhodError",
    "InvalidInput",
    "InviteLink",
    "InvitePreview",
    "Invites",
    "JoinRequest",
    "Joined",
    "Left",
    "LinkedDevice",
    "Member",
    "Membership",
    "Message",
    "NameRequired",
    "NextChannel",
    "NotAllowed",
    "NotFound",
    "PendingLink",
    "Permission",
    "PinRequired",
    "PinWrong",
    "PositionChanged",
    "Progress",
    "Refused",
    "Removed",
    "Security",
    "SendRefused",
    "SendUnconfirmed",
    "ServerNotUnderstood",
    "SignIn",
    "SignInAsked",
    "SignedOut",
    "StateUnusable",
    "Text",
    "TotpRequired",
    "TryLater",
    "TurnedAway",
    "TypingSeen",
    "User",
]
