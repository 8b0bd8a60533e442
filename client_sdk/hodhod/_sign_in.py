"""Coming in without a text: `client.sign_in`. By a kept key, a passkey, another device."""

from __future__ import annotations

import platform
from typing import Final

from msgspec import Raw, Struct

from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._clock import ServerClock
from hodhod._groups import Nothing
from hodhod._http import Http
from hodhod._models import User
from hodhod._passkeys import Authenticator, Question, ask
from hodhod._signup import NAME_CHARS_MAX, PLATFORM, Device, Welcome
from hodhod._state import Credentials

WAIT_S: Final = 10.0  # of one request for an approval


class _Untold(Struct, frozen=True, omit_defaults=True, kw_only=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _ByKey(_Untold, frozen=True, kw_only=True):
    phone: str
    key: str
    device: Device
    pin: str | None = None


class _ByTokens(_Untold, frozen=True, kw_only=True):
    phone: str
    tokens: list[str]
    device: Device
    pin: str | None = None


class _ByPasskey(Struct, frozen=True):
    credential: Raw
    device: Device

    def __repr__(self) -> str:
        return "_ByPasskey()"


class _NewLink(Struct, frozen=True):
    device: Device


class _LinkView(_Untold, frozen=True, kw_only=True):
    id: str
    link: str
    expires_at: int


class _Claim(_Untold, frozen=True, kw_only=True):
    link: str
    at: int
    signature: str
    wait_s: float


class _Claimed(_Untold, frozen=True, kw_only=True):
    """A session, or `state`: nobody has approved so far."""

    state: str = ""
    user: int = 0
    device: int = 0
    name: str = ""
    is_new: bool = False
    access_token: str = ""
    access_expires_at: int = 0
    refresh_token: str = ""
    refresh_expires_at: int = 0


class PendingLink:
    """A link to show as a picture. Made by `client.sign_in.by_link`."""

    def __init__(self, view: _LinkView, door: SignIn) -> None:
        self._view = view
        self._door = door

    def __repr__(self) -> str:
        return f"PendingLink(expires_at={self.expires_at})"

    @property
    def link(self) -> str:
        """The text of the picture; a signed-in device passes it to `security.approve_link`."""
        return self._view.link

    @property
    def expires_at(self) -> int:
        """Until when it can be approved, in milliseconds since the epoch."""
        return self._view.expires_at

    async def approved(self) -> User:
        """Wait until a signed-in device approves. Raises `Refused` when the link is over."""
        return await self._door.claim(self._view.id, self._view.link)


class SignIn:
    """Ways in without a text. Reached as `client.sign_in`.

    Where the account has a PIN, `PinRequired` asks for it. Raises `Refused` for a key that does not
    let in, `TryLater`, `ConnectionLost`.
    """

    def __init__(
        self,
        http: Http,
        addresses: AddressBook,
        account: Account,
        clock: ServerClock,
        welcome: Welcome,
    ) -> None:
        self._http = http
        self._addresses = addresses
        self._account = account
        self._clock = clock
        self._welcome = welcome

    async def by_recovery_key(self, phone: str, key: str, *, pin: str | None = None) -> User:
        """Come in by the number and its recovery key."""
        body = _ByKey(phone=phone, key=key, device=await self._device(), pin=pin)
        return await self._enter("recovery-key", body)

    async def by_kept_token(self, phone: str, *, pin: str | None = None) -> User:
        """Come in again on a device that was signed out by `security.sign_out`."""
        tokens = self._account.kept_tokens
        body = _ByTokens(phone=phone, tokens=tokens, device=await self._device(), pin=pin)
        return await self._enter("return-token", body)

    async def by_passkey(self, authenticator: Authenticator) -> User:
        """Come in by a passkey that the app's authenticator holds; it knows the account itself.

        Raises `NotFound` where the server has passkeys switched off.
        """
        asked = await self._http.post(self._url("passkey/options"), Nothing(), Question)
        credential = await ask(authenticator, asked)
        return await self._enter("passkey", _ByPasskey(credential, await self._device()))

    async def by_link(self) -> PendingLink:
        """A link for a signed-in device to approve; then await its `approved()`."""
        body = _NewLink(await self._device())
        view = await self._http.post(self._url("links"), body, _LinkView)
        return PendingLink(view, self)

    async def claim(self, link_id: str, link: str) -> User:
        """Wait for the session of a link. Raises `Refused` when the link is over."""
        while True:
            at = self._clock.now_ms()
            message = f"hodhod link v1\n{link_id}\n{at}".encode()
            signature = await self._account.sign(message)
            body = _Claim(link=link, at=at, signature=signature, wait_s=WAIT_S)
            claimed = await self._http.post(self._url("links/claim"), body, _Claimed)
            if not claimed.state:
                return await self._welcome(_credentials(claimed))

    async def _enter(self, path: str, body: Struct) -> User:
        return await self._welcome(await self._http.post(self._url(path), body, Credentials))

    async def _device(self) -> Device:
        name = (platform.node() or "Python")[:NAME_CHARS_MAX]
        return Device(name, PLATFORM, await self._account.public_key())

    def _url(self, path: str) -> str:
        return self._addresses.signup(f"/v1/sessions/{path}")


def _credentials(claimed: _Claimed) -> Credentials:
    return Credentials(
        user=claimed.user,
        device=claimed.device,
        name=claimed.name,
        is_new=claimed.is_new,
        access_token=claimed.access_token,
        access_expires_at=claimed.access_expires_at,
        refresh_token=claimed.refresh_token,
        refresh_expires_at=claimed.refresh_expires_at,
    )
