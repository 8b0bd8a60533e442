"""Access tokens: short-lived, signed, checked without a database.

A reconnect storm must not be a query storm, so a token carries who it is for and until when, and an
HMAC over that. Ending a session early is the business of the revocation set (services/sessions.py).
Form: base64url(MessagePack [1, user, device, expires_ms]) "." base64url(HMAC-SHA-256).
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import Unauthenticated
from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.domain.keys import base64url, from_base64url, sign
from hodhod_server.domain.secret import Secret

VERSION: Final = 1


class Caller(msgspec.Struct, frozen=True):
    """Who asks: a person on one of their devices."""

    user: UserId
    device: DeviceId


class _Claims(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    user: int
    device: int
    expires_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Claims).decode


def mint_access_token(key: Secret, caller: Caller, expires_at: datetime) -> str:
    """A token that proves `caller` until `expires_at`."""
    payload = _encode(_Claims(VERSION, caller.user, caller.device, to_ms(expires_at)))
    return f"{base64url(payload)}.{base64url(sign(key, payload))}"


def check_access_token(key: Secret, token: str, now: datetime) -> Caller:
    """Whom the token proves. Raises `Unauthenticated` for anything but a valid, unexpired one."""
    try:
        payload_text, _, signature_text = token.partition(".")
        payload, signature = from_base64url(payload_text), from_base64url(signature_text)
    except ValueError:
        raise Unauthenticated from None
    if not hmac.compare_digest(signature, sign(key, payload)):
        raise Unauthenticated
    claims = _decode(payload)
    if claims.version != VERSION or claims.expires_ms <= to_ms(now):
        raise Unauthenticated
    return Caller(UserId(claims.user), DeviceId(claims.device))
