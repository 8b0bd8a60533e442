"""What an authenticator signs: random bytes, an end, and our signature, so that nothing is stored.

One asked for registering names the person, and proves nothing for anybody else.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from typing import Final

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import sign
from hodhod_server.domain.secret import Secret

_NONCE_BYTES: Final = 16
_TIME_BYTES: Final = 8
_SIGNATURE_BYTES: Final = 16
_PAYLOAD_BYTES: Final = _NONCE_BYTES + _TIME_BYTES


def new_passkey_challenge(key: Secret, user: UserId | None, expires_at: datetime) -> bytes:
    """To be signed until then; by `None` to come in."""
    payload = secrets.token_bytes(_NONCE_BYTES) + to_ms(expires_at).to_bytes(_TIME_BYTES)
    return payload + _signature(key, user, payload)


def is_passkey_challenge(key: Secret, user: UserId | None, shown: bytes, now: datetime) -> bool:
    """Is it one of ours, for this, and not over?"""
    payload, signature = shown[:_PAYLOAD_BYTES], shown[_PAYLOAD_BYTES:]
    if not hmac.compare_digest(signature, _signature(key, user, payload)):
        return False
    return to_ms(now) < int.from_bytes(payload[_NONCE_BYTES:])


def _signature(key: Secret, user: UserId | None, payload: bytes) -> bytes:
    return sign(key, str(user).encode(), payload)[:_SIGNATURE_BYTES]
