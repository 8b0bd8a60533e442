"""One master key, many purposes: each gets its own key by HKDF (RFC 5869), never the master.

Purposes are fixed labels, so a key for one use can neither forge nor read another's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hodhod_server.domain.secret import Secret

MASTER_KEY_BYTES_MIN: Final = 32


def derive(master: Secret, purpose: str) -> Secret:
    """A 256-bit key for one purpose."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=b"hodhod", info=purpose.encode())
    return Secret(hkdf.derive(master.reveal()))


def sign(key: Secret, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the parts, each with its length before it so that none can slide."""
    mac = hmac.new(key.reveal(), digestmod=hashlib.sha256)
    for part in parts:
        mac.update(len(part).to_bytes(4, "big"))
        mac.update(part)
    return mac.digest()


def base64url(value: bytes) -> str:
    """Unpadded base64url (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Inverse of `base64url`. Raises `ValueError` for anything else, odd tails included."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Every key of the server, by purpose."""

    access_token: Secret
    refresh_token: Secret
    media_link: Secret
    phone_index: Secret
    phone_cipher: Secret
    challenge_secret: Secret
    code: Secret

    @classmethod
    def from_master(cls, master: Secret) -> Self:
        """Raises `ValueError` for a master key that is too short to be one."""
        if len(master.reveal()) < MASTER_KEY_BYTES_MIN:
            raise ValueError(f"the master key needs at least {MASTER_KEY_BYTES_MIN} bytes")
        return cls(**{name: derive(master, name) for name in cls.__slots__})
