"""Where a provider calls us: an address that only it and the operator know.

Most providers sign nothing, so the address itself is the proof. Its secret is derived from the
master key and the provider's name: nothing is stored, and one provider's tells nothing of
another's.
"""

from __future__ import annotations

import hmac
from typing import Final

from hodhod_server.domain.keys import base64url, sign
from hodhod_server.domain.secret import Secret

PATH: Final = "/v1/signup/callbacks/{provider}/{secret}"
_SECRET_BYTES: Final = 16


def callback_path(key: Secret, provider: str) -> str:
    """The path of a provider's callback, secret included."""
    return PATH.format(provider=provider, secret=_secret(key, provider))


def is_callback_secret(key: Secret, provider: str, given: str) -> bool:
    """Is it this provider's? The time taken tells nothing."""
    return hmac.compare_digest(_secret(key, provider).encode(), given.encode())


def _secret(key: Secret, provider: str) -> str:
    return base64url(sign(key, provider.encode())[:_SECRET_BYTES])
