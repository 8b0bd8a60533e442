"""Links that a new device shows and a signed-in one scans: what stands in the picture.

The server signs what the new device says of itself and keeps nothing until somebody approves, so
that making links costs a stranger nothing and us no row. What is in the picture lets nobody in: the
session is given to who signs with the new device's key.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final

import msgspec

from hodhod_server.domain.clock import from_ms, to_ms
from hodhod_server.domain.errors import DeviceLinkInvalid
from hodhod_server.domain.keys import base64url, from_base64url, sign
from hodhod_server.domain.models import Entrant
from hodhod_server.domain.secret import Secret

SCHEME: Final = "hodhod://link/"
VERSION: Final = 1
_ID_BYTES: Final = 16
_SIGNATURE_BYTES: Final = 16  # short, so that the picture is coarse; 128 bits are not guessed
_PURPOSE: Final = "hodhod link v1"


class _Claims(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    id: bytes
    expires_ms: int
    public_key: bytes
    name: str
    platform: str


class DeviceLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link, read and found to be ours."""

    link: str
    entrant: Entrant
    expires_at: datetime


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Claims).decode


def new_link(key: Secret, entrant: Entrant, expires_at: datetime) -> tuple[DeviceLink, str]:
    """A link for this program, and the text of its picture."""
    assert entrant.public_key is not None
    raw_id = secrets.token_bytes(_ID_BYTES)
    claims = _Claims(
        VERSION, raw_id, to_ms(expires_at), entrant.public_key, entrant.name, entrant.platform
    )
    payload = _encode(claims)
    signature = sign(key, payload)[:_SIGNATURE_BYTES]
    link = DeviceLink(link=base64url(raw_id), entrant=entrant, expires_at=expires_at)
    return link, f"{SCHEME}{base64url(payload)}.{base64url(signature)}"


def read_link(key: Secret, text: str) -> DeviceLink:
    """The link in a picture, expired or not. Raises `DeviceLinkInvalid` for what is not ours."""
    payload_text, _, signature_text = text.strip().removeprefix(SCHEME).partition(".")
    try:
        payload, signature = from_base64url(payload_text), from_base64url(signature_text)
    except ValueError:
        raise DeviceLinkInvalid from None
    if not hmac.compare_digest(signature, sign(key, payload)[:_SIGNATURE_BYTES]):
        raise DeviceLinkInvalid
    claims = _decode(payload)
    return DeviceLink(
        link=base64url(claims.id),
        entrant=Entrant(name=claims.name, platform=claims.platform, public_key=claims.public_key),
        expires_at=from_ms(claims.expires_ms),
    )


def claim_message(link: str, at_ms: int) -> bytes:
    """What the new device signs to get its session."""
    return f"{_PURPOSE}\n{link}\n{at_ms}".encode()
