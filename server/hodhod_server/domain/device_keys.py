"""Device keys: a device signs its return with Ed25519, and no code has to be sent."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_KEY_BYTES: Final = 32
_PURPOSE: Final = "hodhod device-key v1"
# A point of the curve (its base point) to check against where there is no key: the same work.
_NO_KEY: Final = b"\x58" + b"\x66" * 31


def return_message(device: int, at_ms: int) -> bytes:
    """What a device signs to come back at a moment of its clock."""
    return f"{_PURPOSE}\n{device}\n{at_ms}".encode()


def is_signed_by(public_key: bytes | None, signature: bytes, message: bytes) -> bool:
    """Did this key sign this message? Without a key: no, after the same work."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key or _NO_KEY).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return public_key is not None
