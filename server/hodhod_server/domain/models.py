"""What the server keeps about people and their devices, as it travels between its layers."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hodhod_server.domain.ids import DeviceId, UserId


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person with an account. The number is sealed; `domain/phone.py` opens it."""

    user: UserId
    name: str
    phone_sealed: bytes | None  # None: the number passed to somebody else
    created_at: datetime

    def __repr__(self) -> str:
        return f"User({self.user})"


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in program of a person. Without a public key it cannot return by its key."""

    device: DeviceId
    user: UserId
    name: str
    platform: str
    public_key: bytes | None
    created_at: datetime
    last_seen_at: datetime
    revoked_at: datetime | None
    held_until: datetime | None = None  # it came in by a text alone

    def __repr__(self) -> str:
        return f"Device({self.device} of {self.user})"


class Entrant(msgspec.Struct, frozen=True, kw_only=True):
    """A program that wants to come in, as it describes itself."""

    name: str
    platform: str
    public_key: bytes | None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A device let in: who it is now, and the two tokens that keep it in."""

    user: UserId
    device: DeviceId
    name: str
    is_new: bool
    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime

    def __repr__(self) -> str:
        return f"Session(user={self.user}, device={self.device})"
