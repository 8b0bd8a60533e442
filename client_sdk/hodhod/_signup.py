"""Signing up and in: a number, a code that was sent to it, and the person is in."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._http import Http
from hodhod._models import NextChannel, User
from hodhod._state import Credentials

PLATFORM: Final = "python"
NAME_CHARS_MAX: Final = 64

Welcome = Callable[[Credentials], Awaitable[User]]


class Device(Struct, frozen=True):
    """This program, as it describes itself."""

    name: str
    platform: str
    public_key: str


class _Untold(Struct, frozen=True):
    """A body that must not be seen: its `repr` is a name."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Start(_Untold, frozen=True):
    phone: str
    locale: str
    device: Device


class _Verify(_Untold, frozen=True, omit_defaults=True):
    secret: str
    code: str | None = None
    name: str | None = None
    pin: str | None = None
    totp: str | None = None
    fresh: bool = False


class _SendAgain(_Untold, frozen=True):
    secret: str
    channel: str


class Standing(Struct, frozen=True, kw_only=True):
    """How a challenge stands, as the server tells. Times in milliseconds since the epoch."""

    id: str
    state: str
    channel: str
    sent_at: int | None = None
    expires_at: int | None = None
    next: tuple[NextChannel, ...] = ()
    tries_left: int = 0
    sign_in_number: int = 0
    code_length: int = 6


class _NewStanding(Standing, frozen=True, kw_only=True):
    secret: str

    def __repr__(self) -> str:
        return f"_NewStanding(id={self.id!r})"


class Challenge:
    """A code on its way to a phone. Made by `Client.request_code`."""

    def __init__(self, standing: Standing, secret: str, door: Door, welcome: Welcome) -> None:
        self._standing = standing
        self._secret = secret
        self._door = door
        self._welcome = welcome

    def __repr__(self) -> str:
        return f"Challenge(state={self.state!r}, channel={self.channel!r})"

    @property
    def state(self) -> str:
        """`sent`, `verified` …: one word."""
        return self._standing.state

    @property
    def channel(self) -> str:
        """How the code travels: `sms` …"""
        return self._standing.channel

    @property
    def sent_at(self) -> int | None:
        """When the code was handed over, in milliseconds since the epoch; `None`: not yet."""
        return self._standing.sent_at

    @property
    def expires_at(self) -> int | None:
        """Until when the code is taken, in milliseconds since the epoch; `None`: not sent yet."""
        return self._standing.expires_at

    @property
    def next(self) -> tuple[NextChannel, ...]:
        """The ways in which `resend` can send the code again, each with its earliest moment."""
        return self._standing.next

    @property
    def tries_left(self) -> int:
        """How many more codes may be tried."""
        return self._standing.tries_left

    @property
    def code_length(self) -> int:
        """Digits of a code."""
        return self._standing.code_length

    async def refresh(self) -> None:
        """Ask how it stands. Raises `ChallengeOver`, `TryLater`, `ConnectionLost`."""
        self._standing = await self._door.standing(self._standing.id, self._secret)

    async def resend(self, channel: str | None = None) -> None:
        """Have the same code sent again, by this channel or the first of `next`.

        Raises `TryLater` before its time, `ChallengeOver`, `ConnectionLost`.
        """
        first = self.next[0].channel if self.next else self.channel
        again = _SendAgain(self._secret, channel or first)
        self._standing = await self._door.send_again(self._standing.id, again)

    @property
    def sign_in_number(self) -> int:
        """Show it: who approves on a device that is signed in already has to choose it."""
        return self._standing.sign_in_number

    async def verify(
        self,
        code: str | None = None,
        name: str | None = None,
        *,
        pin: str | None = None,
        totp: str | None = None,
        fresh: bool = False,
    ) -> User:
        """Show the code and be signed in; a number that is new needs a name, a guarded one its PIN.

        No code once a signed-in device approved (`state` is `accepted`). `fresh` asks for a new
        account in place of one whose PIN is not known, from `PinRequired.fresh_from` on. Digits may
        be Persian, with spaces. Raises `CodeWrong`, `NameRequired`, `PinRequired`, `PinWrong`,
        `InvalidInput`, `ChallengeOver`, `TryLater`, `ConnectionLost`.
        """
        proof = _Verify(self._secret, code, name, pin, totp, fresh)
        return await self._welcome(await self._door.verify(self._standing.id, proof))

    async def accept(self, code: str) -> tuple[str, str]:
        """Prove the number without signing in; see `client.security.change_number`.

        Returns what names the challenge, and its secret. Raises as `verify`.
        """
        proof = _Verify(self._secret, code)
        self._standing = await self._door.accept(self._standing.id, proof)
        return self._standing.id, self._secret


class Door:
    """The sign-up endpoints."""

    def __init__(self, http: Http, addresses: AddressBook) -> None:
        self._http = http
        self._addresses = addresses

    async def knock(self, phone: str, locale: str, account: Account, welcome: Welcome) -> Challenge:
        """Have a code sent. Raises `InvalidInput`, `TryLater`, `ConnectionLost`."""
        name = (platform.node() or "Python")[:NAME_CHARS_MAX]
        device = Device(name, PLATFORM, await account.public_key())
        body = _Start(phone, locale, device)
        standing = await self._http.post(self._url(""), body, _NewStanding)
        return Challenge(standing, standing.secret, self, welcome)

    async def standing(self, challenge: str, secret: str) -> Standing:
        return await self._http.get(self._url(f"/{challenge}"), Standing, bearer=secret)

    async def send_again(self, challenge: str, body: _SendAgain) -> Standing:
        return await self._http.post(self._url(f"/{challenge}/next"), body, Standing)

    async def accept(self, challenge: str, body: _Verify) -> Standing:
        return await self._http.post(self._url(f"/{challenge}/accept"), body, Standing)

    async def verify(self, challenge: str, body: _Verify) -> Credentials:
        return await self._http.post(self._url(f"/{challenge}/verify"), body, Credentials)

    def _url(self, path: str) -> str:
        return self._addresses.signup(f"/v1/signup{path}")
