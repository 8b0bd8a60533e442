"""One-time codes of an authenticator app (RFC 6238): six digits for each half minute.

The secret is sealed in the database like a phone number. Codes of the step before and after are
taken, too, because clocks are off; that none is taken twice is the store's business.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final

import pyotp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hodhod_server.domain.secret import Secret
from hodhod_server.domain.text import ascii_digits, without_invisible

STEP_S: Final = 30
ISSUER: Final = "Hodhod"
_NONCE_BYTES: Final = 12
_SEALED_AS: Final = b"totp"


class TotpSecret:
    """A secret that only `text` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def text(self) -> str:
        """Base32, as authenticator apps take it."""
        return self._text

    def uri(self, name: str) -> str:
        """What the picture for the app says."""
        return pyotp.TOTP(self._text).provisioning_uri(name=name, issuer_name=ISSUER)

    def find_step(self, code: str, now: datetime) -> int | None:
        """The step whose code this is, if it is near enough."""
        typed = without_invisible(ascii_digits(code[:STEP_S]))
        codes = pyotp.TOTP(self._text)
        current = int(now.timestamp()) // STEP_S
        is_same = {
            step: hmac.compare_digest(codes.generate_otp(step).encode(), typed.encode())
            for step in (current - 1, current, current + 1)
        }
        return next((step for step, same in is_same.items() if same), None)

    def __repr__(self) -> str:
        return "TotpSecret(***)"


def random_totp_secret() -> TotpSecret:
    """A new secret, 160 bits."""
    return TotpSecret(pyotp.random_base32())


def seal_totp(key: Secret, secret: TotpSecret) -> bytes:
    """The secret, encrypted (AES-256-GCM): a new nonce, then ciphertext and tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key.reveal()).encrypt(nonce, secret.text.encode(), _SEALED_AS)


def open_totp(key: Secret, sealed: bytes) -> TotpSecret:
    """Inverse of `seal_totp`."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return TotpSecret(AESGCM(key.reveal()).decrypt(nonce, ciphertext, _SEALED_AS).decode())
