"""Refresh tokens: 256 bits that let a device in again, each good for one rotation.

The first one of a sign-up and every successor are derived, so that a lost answer can be given again
word for word; only hashes are stored, so that a stolen database lets nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import base64url, sign
from hodhod_server.domain.secret import Secret

_TOKEN_BYTES: Final = 32


class RefreshToken:
    """A token that only `text` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def text(self) -> str:
        return self._text

    @property
    def stored_hash(self) -> bytes:
        """What the database knows of it. A plain hash will do: nobody guesses 256 bits."""
        return hashlib.sha256(self._text.encode()).digest()

    def __repr__(self) -> str:
        return "RefreshToken(***)"


def random_token() -> RefreshToken:
    """A token that follows from nothing."""
    return RefreshToken(base64url(secrets.token_bytes(_TOKEN_BYTES)))


def first_token(key: Secret, challenge: ChallengeId) -> RefreshToken:
    """The token that a verified challenge gives, however often it is asked."""
    return RefreshToken(base64url(sign(key, b"first", challenge.encode())))


def next_token(key: Secret, token: RefreshToken) -> RefreshToken:
    """The token that follows `token`, however often it is asked."""
    return RefreshToken(base64url(sign(key, b"next", token.text.encode())))
