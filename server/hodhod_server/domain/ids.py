"""Identifiers. Numbers come from PostgreSQL sequences; what appears in public is random.

Numbers stay below 2**53 so that JSON and bots hold them exactly. Whatever a stranger might guess
(challenge, upload, media) carries at least 128 random bits.
"""

from __future__ import annotations

import secrets
from typing import NewType

UserId = NewType("UserId", int)
DeviceId = NewType("DeviceId", int)
ChatId = NewType("ChatId", int)
Seq = NewType("Seq", int)
ClientId = NewType("ClientId", int)
ChallengeId = NewType("ChallengeId", str)
MediaId = NewType("MediaId", str)
GatewayId = NewType("GatewayId", str)


def random_public_id() -> str:
    """22 URL-safe characters, 128 random bits."""
    return secrets.token_urlsafe(16)
