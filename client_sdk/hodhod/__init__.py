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
    Refused,
    SendUnconfirmed,
    ServerNotUnderstood,
    SignedOut,
    StateUnusable,
    TryLater,
    TurnedAway,
)
from hodhod._models import (
    Chat,
    Event,
    Member,
    Message,
    NextChannel,
    PositionChanged,
    Progress,
    SendRefused,
    TypingSeen,
    User,
)
from hodhod._signup import Challenge
from hodhod_wire.events import File, Text

__all__ = [
    "Challenge",
    "ChallengeOver",
    "Chat",
    "Client",
    "CodeWrong",
    "ConnectionLost",
    "Event",
    "File",
    "FileChanged",
    "HodhodError",
    "InvalidInput",
    "Member",
    "Message",
    "NameRequired",
    "NextChannel",
    "NotAllowed",
    "NotFound",
    "PositionChanged",
    "Progress",
    "Refused",
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
