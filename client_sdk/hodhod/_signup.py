"""Signing up and in: a number, a code that was sent to it, and the person is in.

The server answers at once and hands the code over when its turn comes; a challenge follows that by
asking once and waiting for the answer. It keeps to the times that the server gives.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from msgspec import Struct, structs

from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._clock import ServerClock
from hodhod._door import OnWait, enter, paying
from hodhod._http import Http
from hodhod._models import Eta, InboundText, NextChannel, User
from hodhod._state import Credentials

PLATFORM: Final = "python"
NAME_CHARS_MAX: Final = 64
WAIT_SHARE: Final = 0.6  # of the deadline of a request: what one question may wait for news
ENDS: Final = frozenset({"verified", "locked", "expired", "cancelled"})
HAND_OVER_S: Final = 3.0  # what most codes leave in: the first answer may wait for it
LOOK_S: Final = 2.0  # between questions to a server that answers without waiting

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


class _Start(_Untold, frozen=True, omit_defaults=True):
    phone: str
    locale: str
    device: Device
    invite: str | None = None
    text_at_once: bool = False
    ticket: str | None = None
    proof: str | None = None
    wait_s: float = 0.0

    def with_papers(self, ticket: str | None, proof: str | None) -> _Start:
        return structs.replace(self, ticket=ticket, proof=proof)


class Asked(_Untold, frozen=True):
    """What `Client.request_code` was asked for."""

    phone: str
    locale: str = "fa"
    invite: str | None = None
    text_at_once: bool = False


class _Verify(_Untold, frozen=True, omit_defaults=True):
    secret: str
    code: str | None = None
    name: str | None = None
    proof: str | None = None
    pin: str | None = None
    totp: str | None = None
    fresh: bool = False


class _Secret(_Untold, frozen=True):
    secret: str


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
    version: int = 0
    eta: Eta | None = None
    tag: str = ""
    inbound: InboundText | None = None
    try_again_at: int | None = None
    come_back_at: int | None = None


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

    @property
    def eta(self) -> Eta | None:
        """How long until the code is handed over; `None`: it was, or nobody knows."""
        return self._standing.eta

    @property
    def tag(self) -> str:
        """Two characters that tell apart the codes of two devices with one number."""
        return self._standing.tag

    @property
    def inbound(self) -> InboundText | None:
        """What to send, and where to, instead of getting a code; `None`: not possible here."""
        return self._standing.inbound

    @property
    def try_again_at(self) -> int | None:
        """Before this moment no further code is compared; `None`: at once."""
        return self._standing.try_again_at

    @property
    def is_over(self) -> bool:
        """Nothing more comes of it: verified, locked, expired or cancelled."""
        return self.state in ENDS

    async def refresh(self) -> None:
        """Ask how it stands. Raises `ChallengeOver`, `TryLater`, `ConnectionLost`."""
        self._standing = await self._door.standing(self._standing.id, self._secret)

    async def changes(self) -> AsyncIterator[Challenge]:
        """This challenge now, and again after each change, until it is over.

        Raises `ChallengeOver`, `TryLater`, `ConnectionLost`.
        """
        yield self
        while not self.is_over:
            before = self._standing
            self._standing = await self._door.next_standing(before, self._secret)
            if self._standing != before:
                yield self

    async def wait_sent(self) -> None:
        """Return once the code was handed over, or the number is proved, or it is over.

        Raises `ChallengeOver`, `TryLater`, `ConnectionLost`.
        """
        async for _ in self.changes():
            if self.state not in ("queued", "waiting"):
                return

    async def resend(self, channel: str | None = None) -> None:
        """Ask for the same code by this channel, or by the first of `next`.

        Texts are sent again by a plan of the server's, which asking does not change; a call
        (`voice`) is made when it is asked for. Raises `TryLater` before its time,
        `ChallengeOver`, `ConnectionLost`.
        """
        first = self.next[0].channel if self.next else self.channel
        again = _SendAgain(self._secret, channel or first)
        self._standing = await self._door.post(self._standing.id, "next", again)

    async def seen(self) -> None:
        """Tell that the text has come, so that no further one is sent. Raises as `refresh`."""
        own = _Secret(self._secret)
        self._standing = await self._door.post(self._standing.id, "seen", own)

    async def cancel(self) -> None:
        """Tell that no code is wanted any more. Raises as `refresh`."""
        own = _Secret(self._secret)
        self._standing = await self._door.post(self._standing.id, "cancel", own)

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

        No code is needed once the number was proved otherwise (`state` is `accepted`). `fresh` asks
        for a new account in place of one whose PIN is not known, from `PinRequired.fresh_from` on.
        Digits may be Persian, with spaces. Raises `CodeWrong`, `NameRequired`, `PinRequired`,
        `PinWrong`, `InvalidInput`, `ChallengeOver`, `TryLater`, `ConnectionLost`.
        """
        proof = _Verify(self._secret, code, name, pin=pin, totp=totp, fresh=fresh)
        return await self._welcome(await self._door.verify(self._standing.id, proof))

    async def _accept(self, code: str) -> tuple[str, str]:
        proof = _Verify(self._secret, code)
        self._standing = await self._door.accept(self._standing.id, proof)
        return self._standing.id, self._secret


async def accept(challenge: Challenge, code: str) -> tuple[str, str]:
    """Prove the number without signing in; returns what names the challenge, and its secret.

    Raises as `Challenge.verify`.
    """
    return await challenge._accept(code)


class Door:
    """The sign-up endpoints."""

    def __init__(
        self, http: Http, addresses: AddressBook, clock: ServerClock, *, deadline_s: float
    ) -> None:
        self._http = http
        self._addresses = addresses
        self._clock = clock
        self._wait_s = max(1, int(deadline_s * WAIT_SHARE))

    async def knock(
        self, asked: Asked, account: Account, welcome: Welcome, on_wait: OnWait | None = None
    ) -> Challenge:
        """Have a code sent, after waiting where one has to.

        Raises `InvalidInput`, `TryLater`, `ConnectionLost`.
        """
        name = (platform.node() or "Python")[:NAME_CHARS_MAX]
        device = Device(name, PLATFORM, await account.public_key())
        wait_s = min(HAND_OVER_S, self._wait_s)
        body = _Start(
            asked.phone, asked.locale, device, asked.invite, asked.text_at_once, wait_s=wait_s
        )
        standing = await enter(
            self._http, self._clock, self._url(""), body, shape=_NewStanding, on_wait=on_wait
        )
        return Challenge(standing, standing.secret, self, welcome)

    async def standing(self, challenge: str, secret: str) -> Standing:
        return await self._http.get(self._url(f"/{challenge}"), Standing, bearer=secret)

    async def next_standing(self, known: Standing, secret: str) -> Standing:
        """How it stands after its next change, or after a while without one."""
        if known.come_back_at is not None:
            ahead_ms = known.come_back_at - self._clock.now_ms()
            await asyncio.sleep(max(LOOK_S, ahead_ms / 1000))
        loop_time = asyncio.get_running_loop().time
        began_s = loop_time()
        path = f"/{known.id}?after={known.version}&wait_s={self._wait_s}"
        told = await self._http.get(self._url(path), Standing, bearer=secret)
        if told == known and loop_time() - began_s < LOOK_S:
            await asyncio.sleep(LOOK_S)
        return told

    async def post(self, challenge: str, what: str, body: Struct) -> Standing:
        return await self._http.post(self._url(f"/{challenge}/{what}"), body, Standing)

    async def accept(self, challenge: str, body: _Verify) -> Standing:
        return await self._http.post(self._url(f"/{challenge}/accept"), body, Standing)

    async def verify(self, challenge: str, body: _Verify) -> Credentials:
        url = self._url(f"/{challenge}/verify")

        async def send(proof: str | None) -> Credentials:
            return await self._http.post(url, structs.replace(body, proof=proof), Credentials)

        return await paying(send)

    def _url(self, path: str) -> str:
        return self._addresses.signup(f"/v1/signup{path}")
