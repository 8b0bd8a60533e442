"""Return keys: 256 bits that let a device in instead of a text.

A recovery key is kept by the person, in a backup or a keychain; a logout token by the device that
was signed out. Only hashes are stored, so that a stolen database lets nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum
from typing import Final

from hodhod_server.domain.keys import base64url, from_base64url

KEY_BYTES: Final = 32


class ReturnKind(StrEnum):
    """Who keeps the key."""

    RECOVERY = "recovery"
    LOGOUT = "logout"


class ReturnKey:
    """A key that only `text` shows."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    @property
    def text(self) -> str:
        return base64url(self._raw)

    @property
    def stored_hash(self) -> bytes:
        """What the database knows of it. A plain hash will do: nobody guesses 256 bits."""
        return hashlib.sha256(b"hodhod return key v1\n" + self._raw).digest()

    def __repr__(self) -> str:
        return "ReturnKey(***)"


def random_key() -> ReturnKey:
    """A new key."""
    return ReturnKey(secrets.token_bytes(KEY_BYTES))


def find_key(text: str) -> ReturnKey | None:
    """The key that a text spells, if it spells one."""
    try:
        raw = from_base64url("".join(text.split()).rstrip("="))
    except ValueError:
        return None
    return ReturnKey(raw) if len(raw) == KEY_BYTES else None
