"""Addresses of files that work for a while, without a token.

A link is minted for one person after the right to see the file was checked, and carries an HMAC
over file, person and end: a player or an image view can use it as it is.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import LinkExpired, LinkInvalid
from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.domain.keys import base64url, sign
from hodhod_server.domain.secret import Secret


class MediaLinks:
    """Mints links and checks them."""

    def __init__(self, key: Secret, clock: Clock, *, link_s: int, base_url: str = "") -> None:
        self._key = key
        self._clock = clock
        self._life = timedelta(seconds=link_s)
        self._base_url = base_url.rstrip("/")

    def mint(self, media_id: MediaId, user: UserId, base_url: str = "") -> tuple[str, int]:
        """The address and when it ends. `base_url` is used where the settings name none."""
        expires_at_ms = to_ms(self._clock.now() + self._life)
        signature = self._signature(media_id, str(user), str(expires_at_ms))
        query = f"expires={expires_at_ms}&user={user}&signature={signature}"
        base = self._base_url or base_url.rstrip("/")
        return f"{base}/v1/media/{media_id}?{query}", expires_at_ms

    def require_valid(self, media_id: str, *, user: str, expires: str, signature: str) -> int:
        """How long the link still works, in seconds. Raises `LinkInvalid`, `LinkExpired`."""
        expected = self._signature(media_id, user, expires)
        if not hmac.compare_digest(_octets(signature), _octets(expected)):
            raise LinkInvalid
        left_ms = int(expires) - to_ms(self._clock.now())
        if left_ms <= 0:
            raise LinkExpired
        return left_ms // 1000

    def _signature(self, media_id: str, user: str, expires: str) -> str:
        return base64url(sign(self._key, _octets(media_id), _octets(user), _octets(expires)))


def _octets(text: str) -> bytes:
    """What a query holds is anything, half a character included."""
    return text.encode(errors="replace")
