"""Passkeys: the app's authenticator makes and shows them, and the SDK passes JSON both ways.

What the server asks goes to the authenticator as it is (`navigator.credentials`, Android's
Credential Manager, `ASAuthorization`), and what that answers goes to the server as it is.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Struct


class Authenticator(Protocol):
    """Given WebAuthn options as JSON, answers with the credential as JSON (its `toJSON()`)."""

    async def __call__(self, options: str, /) -> str: ...


class Passkey(Struct, frozen=True, kw_only=True):
    """A passkey of the account. Times in milliseconds since the epoch."""

    id: str
    name: str
    created_at: int
    used_at: int | None


class Question(Struct, frozen=True):
    """What an authenticator is asked."""

    options: msgspec.Raw


class NewPasskey(Struct, frozen=True, kw_only=True):
    """What an authenticator made."""

    credential: msgspec.Raw
    name: str

    def __repr__(self) -> str:
        return "NewPasskey()"


class PasskeyList(Struct, frozen=True):
    """All of an account."""

    passkeys: list[Passkey]


async def ask(authenticator: Authenticator, question: Question) -> msgspec.Raw:
    """The authenticator's answer, as it is passed on. What it raises goes to the caller."""
    return msgspec.Raw((await authenticator(bytes(question.options).decode())).encode())
