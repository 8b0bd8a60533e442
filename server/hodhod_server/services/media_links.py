"""Addresses of files that work for a while, without a token.

A link is minted for one person after the right to see the file was checked, and carries an HMAC
over file, person, end and the message that gives the right: a player or an image view can use it as
it is. Who loses sight of that message loses the link with it, because `Files` looks again.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import msgspec

from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import LinkExpired, LinkInvalid
from hodhod_server.domain.ids import ChatId, MediaId, Seq, UserId
from hodhod_server.domain.keys import base64url, sign
from hodhod_server.domain.secret import Secret

SIGNED: Final = ("user", "expires", "chat", "seq")


class Sight(msgspec.Struct, frozen=True):
    """The message through which a person sees a file."""

    user: UserId
    chat: ChatId
    seq: Seq


class Grant(msgspec.Struct, frozen=True):
    """What a link gives: for how long, and through which message (of a link to one, that is)."""

    left_s: int
    sight: Sight | None


class MediaLinks:
    """Mints links and checks them."""

    def __init__(self, key: Secret, clock: Clock, *, link_s: int, base_url: str = "") -> None:
        self._key = key
        self._clock = clock
        self._life = timedelta(seconds=link_s)
        self._base_url = base_url.rstrip("/")

    def mint(
        self, media_id: MediaId, user: UserId, base_url: str = "", *, sight: Sight | None = None
    ) -> tuple[str, int]:
        """The address and when it ends. `base_url` is used where the settings name none."""
        expires_at_ms = to_ms(self._clock.now() + self._life)
        query = {"expires": str(expires_at_ms), "user": str(user)}
        if sight is not None:
            query |= {"chat": str(sight.chat), "seq": str(sight.seq)}
        query["signature"] = self._signature(media_id, query)
        base = self._base_url or base_url.rstrip("/")
        return f"{base}/v1/media/{media_id}?{urlencode(query)}", expires_at_ms

    def require_valid(self, media_id: str, query: Mapping[str, str]) -> Grant:
        """What the link gives, by its query. Raises `LinkInvalid`, `LinkExpired`."""
        expected = self._signature(media_id, query)
        if not hmac.compare_digest(_octets(query.get("signature", "")), _octets(expected)):
            raise LinkInvalid
        left_ms = int(query["expires"]) - to_ms(self._clock.now())
        if left_ms <= 0:
            raise LinkExpired
        sight = None
        if "chat" in query:
            user, chat, seq = (int(query[name]) for name in ("user", "chat", "seq"))
            sight = Sight(UserId(user), ChatId(chat), Seq(seq))
        return Grant(left_ms // 1000, sight)

    def _signature(self, media_id: str, query: Mapping[str, str]) -> str:
        signed = [_octets(query.get(name, "")) for name in SIGNED]
        return base64url(sign(self._key, _octets(media_id), *signed))


def _octets(text: str) -> bytes:
    """What a query holds is anything, half a character included."""
    return text.encode(errors="replace")
