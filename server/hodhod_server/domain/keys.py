"""One master key, many purposes: each gets its own key by HKDF (RFC 5869), never the master.

Purposes are fixed labels, so a key for one use can neither forge nor read another's.
"""

from __future__ import annotations

import hmac
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hodhod_server.domain.secret import Secret

MASTER_KEY_BYTES_MIN: Final = 32
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/", b"+/??")  # what is not of this alphabet: refused


def derive(master: Secret, purpose: str) -> Secret:
    """A 256-bit key for one purpose."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=b"hodhod", info=purpose.encode())
    return Secret(hkdf.derive(master.reveal()))


def sign(key: Secret, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the parts, each with its length before it so that none can slide."""
    message = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key.reveal(), message, "sha256")


def base64url(value: bytes) -> str:
    """Unpadded base64url (RFC 4648 section 5)."""
    return b2a_base64(value, newline=False).translate(_TO_URL, b"=").decode()


def from_base64url(text: str) -> bytes:
    """Inverse of `base64url`. Raises `ValueError` for anything else, odd tails included."""
    padded = text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4)
    raw = a2b_base64(padded, strict_mode=True)
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
    callback: Secret
    door: Secret
    proof: Secret
    ticket: Secret
    pin: Secret
    totp_cipher: Secret
    device_link: Secret
    passkey_challenge: Secret
    sign_in_number: Secret

    @classmethod
    def from_master(cls, master: Secret) -> Self:
        """Raises `ValueError` for a master key that is too short to be one."""
        if len(master.reveal()) < MASTER_KEY_BYTES_MIN:
            raise ValueError(f"the master key needs at least {MASTER_KEY_BYTES_MIN} bytes")
        return cls(**{name: derive(master, name) for name in cls.__slots__})
