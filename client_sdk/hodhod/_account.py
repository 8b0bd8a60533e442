"""Who is signed in on this device, and the tokens that prove it.

An access token is short-lived and renewed before it expires: by the refresh token, and where that
is refused, by a signature of the device's key. Always true: a new refresh token is in the session
file before it is used; one renewal runs at a time; when both ways are refused the device is signed
out, and says so.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from hodhod._addresses import AddressBook
from hodhod._clock import ServerClock
from hodhod._errors import Refused, SignedOut
from hodhod._http import Http
from hodhod._keeper import Keeper
from hodhod._state import Credentials

RENEW_BEFORE_MS: Final = 60_000  # longer than any one request takes
REFRESH_OVER: Final = ("refresh_token_invalid", "refresh_token_reused")
RETURN_TOKENS_MAX: Final = 20
KEY_REFUSED: Final = ("device_not_found", "signature_invalid", "malformed")


class _Refresh(Struct, frozen=True):
    refresh_token: str

    def __repr__(self) -> str:
        return "_Refresh()"


class _DeviceKeyReturn(Struct, frozen=True):
    device: int
    at: int
    signature: str


class Account:
    """The session of this device."""

    def __init__(
        self, http: Http, addresses: AddressBook, keeper: Keeper, clock: ServerClock
    ) -> None:
        self._http = http
        self._addresses = addresses
        self._keeper = keeper
        self._clock = clock
        self._renewing = asyncio.Lock()

    @property
    def credentials(self) -> Credentials:
        """Raises `SignedOut`."""
        if self._keeper.state.credentials is None:
            raise SignedOut("sign in first: request_code, then verify")
        return self._keeper.state.credentials

    @property
    def is_signed_in(self) -> bool:
        """There are credentials; whether the server still takes them is found out by using them."""
        return self._keeper.state.credentials is not None

    async def public_key(self) -> str:
        """The device's public key, base64url; the pair is made and saved on first use."""
        state = self._keeper.state
        if not state.device_key:
            state.device_key = _base64url(Ed25519PrivateKey.generate().private_bytes_raw())
            await self._keeper.save()
        return _base64url(_private_key(state.device_key).public_key().public_bytes_raw())

    async def sign(self, message: bytes) -> str:
        """A signature by the device's key, base64url."""
        await self.public_key()
        return _base64url(_private_key(self._keeper.state.device_key).sign(message))

    @property
    def kept_tokens(self) -> list[str]:
        """Tokens of sign-outs on this device, newest last."""
        return self._keeper.state.return_tokens

    async def keep_token(self, token: str) -> None:
        """Keep a token to come back by; of too many the oldest goes."""
        kept = [*self._keeper.state.return_tokens, token]
        self._keeper.state.return_tokens = kept[-RETURN_TOKENS_MAX:]
        await self._keeper.save()

    async def adopt(self, credentials: Credentials) -> None:
        """From now on these are ours; durable when this returns."""
        self._keeper.state.credentials = credentials
        self._keeper.state.clock_offset_ms = self._clock.offset_ms
        await self._keeper.save()

    async def access_token(self) -> str:
        """One that is good for a minute. Raises `SignedOut`, `ConnectionLost`, `TryLater`."""
        credentials = self.credentials
        if credentials.access_expires_at - self._clock.now_ms() > RENEW_BEFORE_MS:
            return credentials.access_token
        return await self.renew(credentials.access_token)

    async def renew(self, rejected: str) -> str:
        """Another access token than this one. Raises as `access_token`."""
        async with self._renewing:
            if self.credentials.access_token == rejected:
                await self.adopt(await self._continue())
            return self.credentials.access_token

    async def sign_out(self) -> None:
        """Forget the credentials; chats and unsent messages stay for the same user's return."""
        self._keeper.state.credentials = None
        await self._keeper.save()

    async def _continue(self) -> Credentials:
        try:
            return await self._post("refresh", _Refresh(self.credentials.refresh_token))
        except Refused as error:
            if error.code not in REFRESH_OVER:
                raise
        try:
            return await self._return_by_key()
        except Refused as error:
            if error.code not in KEY_REFUSED:
                raise
            await self.sign_out()
            raise SignedOut("the server ended this device's session") from error

    async def _return_by_key(self) -> Credentials:
        try:
            return await self._post("device-key", self._signed(self._clock.now_ms()))
        except Refused as error:
            server_time = error.facts.get("server_time")
            if error.code != "clock_skewed" or not isinstance(server_time, int):
                raise
            return await self._post("device-key", self._signed(server_time))

    def _signed(self, at_ms: int) -> _DeviceKeyReturn:
        device = self.credentials.device
        key = _private_key(self._keeper.state.device_key)
        signature = key.sign(b"hodhod device-key v1\n%d\n%d" % (device, at_ms))
        return _DeviceKeyReturn(device, at_ms, _base64url(signature))

    async def _post(self, path: str, body: Struct) -> Credentials:
        url = self._addresses.signup(f"/v1/sessions/{path}")
        return await self._http.post(url, body, Credentials)


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _private_key(text: str) -> Ed25519PrivateKey:
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return Ed25519PrivateKey.from_private_bytes(raw)
