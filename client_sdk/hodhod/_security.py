"""What guards the account: `client.security`. PIN, keys, other devices, signing out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from msgspec import Struct

from hodhod._account import Account
from hodhod._api import Api
from hodhod._groups import Nothing
from hodhod._http import Call
from hodhod._models import SignInAsked
from hodhod._passkeys import Authenticator, NewPasskey, Passkey, PasskeyList, Question, ask
from hodhod._signup import Challenge, accept

Leave = Callable[[], Awaitable[None]]


class Guards(Struct, frozen=True, kw_only=True):
    """Which guards the account has."""

    pin: bool
    totp: bool
    recovery_key: bool
    passkeys: int
    held_until: int | None
    """Until then this device, which came in by a text alone, may not change any of them."""


class LinkedDevice(Struct, frozen=True, kw_only=True):
    """What a scanned link would let in, and until when."""

    name: str
    platform: str
    expires_at: int


class _Untold(Struct, frozen=True, omit_defaults=True):
    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Pin(_Untold, frozen=True):
    pin: str


class _Unlock(_Untold, frozen=True, kw_only=True):
    pin: str | None
    totp: str | None


class _Enrolment(_Untold, frozen=True):
    uri: str


class _Code(_Untold, frozen=True):
    code: str


class _NewNumber(_Untold, frozen=True, kw_only=True):
    challenge: str
    secret: str
    pin: str | None
    totp: str | None


class _Key(_Untold, frozen=True):
    key: str | None = None


class _Number(Struct, frozen=True):
    number: int


class _Scanned(_Untold, frozen=True):
    link: str


class _Kept(_Untold, frozen=True):
    return_token: str | None = None


class _SignIns(Struct, frozen=True):
    sign_ins: list[SignInAsked]


class Security:
    """What guards the account. Reached as `client.security`.

    Each method raises `NotAllowed` (`held`) on a device that came in by a text alone within the
    last day, `TryLater`, `ConnectionLost`, `SignedOut`; what else it raises, it says.
    """

    def __init__(self, api: Api, account: Account, leave: Leave) -> None:
        self._api = api
        self._account = account
        self._leave = leave

    async def guards(self) -> Guards:
        """Which guards the account has."""
        return await self._api.ask(Call(method="GET", path="/v1/me/guards"), Guards)

    async def set_pin(self, pin: str) -> None:
        """Have a PIN (4 to 20 characters) asked of who proves the number. Raises `InvalidInput`."""
        await self._do("PUT", "/v1/me/pin", _Pin(pin))

    async def remove_pin(self) -> None:
        """No PIN any more."""
        await self._do("DELETE", "/v1/me/pin")

    async def enrol_totp(self) -> str:
        """The address that an authenticator app takes as a picture; then `confirm_totp`."""
        return (await self._api.ask(Call(method="POST", path="/v1/me/totp"), _Enrolment)).uri

    async def confirm_totp(self, code: str) -> None:
        """Show a code of the app: it guards the account from now on. Raises `PinWrong`."""
        await self._do("POST", "/v1/me/totp/confirm", _Code(code))

    async def remove_totp(self) -> None:
        """No app guards the account any more."""
        await self._do("DELETE", "/v1/me/totp")

    async def passkeys(self) -> list[Passkey]:
        """The account's passkeys, oldest first; `client.sign_in.by_passkey` comes in by one."""
        call = Call(method="GET", path="/v1/me/passkeys")
        return (await self._api.ask(call, PasskeyList)).passkeys

    async def add_passkey(self, authenticator: Authenticator, *, name: str = "") -> None:
        """Have the app's authenticator make a passkey, and keep it.

        Raises `NotFound` where the server has them switched off, `Refused` for a bad answer, and
        whatever the authenticator raises.
        """
        call = Call(method="POST", path="/v1/me/passkeys/options")
        asked = await self._api.ask(call, Question)
        body = NewPasskey(credential=await ask(authenticator, asked), name=name)
        call = Call(method="POST", path="/v1/me/passkeys", body=body, repeats=False)
        await self._api.ask(call, Nothing)

    async def remove_passkey(self, passkey: Passkey | str) -> None:
        """It lets in no more. Raises `NotFound`."""
        name = passkey if isinstance(passkey, str) else passkey.id
        await self._do("DELETE", f"/v1/me/passkeys/{quote(name, safe='')}")

    async def change_number(
        self, challenge: Challenge, code: str, *, pin: str | None = None, totp: str | None = None
    ) -> None:
        """Take the number of this challenge, by the code that was sent to it.

        Raises `CodeWrong`, `PinRequired`, `PinWrong`, `ChallengeOver`, and `Refused` for a number
        of somebody else's.
        """
        name, secret = await accept(challenge, code)
        body = _NewNumber(challenge=name, secret=secret, pin=pin, totp=totp)
        await self._do("POST", "/v1/me/number", body)

    async def lift_hold(self, *, pin: str | None = None, totp: str | None = None) -> None:
        """End the hold of this device. Raises `PinWrong`, `ChallengeOver` without tries left."""
        await self._do("POST", "/v1/me/hold/lift", _Unlock(pin=pin, totp=totp))

    async def new_recovery_key(self) -> str:
        """A key that lets the person in without a text; the one before ends. Told this once."""
        call = Call(method="POST", path="/v1/me/recovery-key", body=_Key())
        return (await self._api.ask(call, _Key)).key or ""

    async def remove_recovery_key(self) -> None:
        """No recovery key lets in any more."""
        await self._do("DELETE", "/v1/me/recovery-key")

    async def sign_ins(self) -> list[SignInAsked]:
        """Sign-ins elsewhere that wait for a word; they also come as events."""
        call = Call(method="GET", path="/v1/me/sign-ins")
        return (await self._api.ask(call, _SignIns)).sign_ins

    async def approve_sign_in(self, challenge: str, number: int) -> None:
        """Let somebody in, by the number on their screen. It is asked once.

        Raises `Refused` for another number, `ChallengeOver`.
        """
        await self._do("POST", f"/v1/me/sign-ins/{challenge}/approve", _Number(number))

    async def refuse_sign_in(self, challenge: str) -> None:
        """Keep somebody out. Raises `ChallengeOver`."""
        await self._do("POST", f"/v1/me/sign-ins/{challenge}/refuse")

    async def look_at_link(self, link: str) -> LinkedDevice:
        """What approving a scanned link would let in. Raises `Refused` for one that is over."""
        call = Call(method="POST", path="/v1/me/links/look", body=_Scanned(link))
        return await self._api.ask(call, LinkedDevice)

    async def approve_link(self, link: str) -> None:
        """Let the device in that shows this link. Raises `Refused` for one that is over."""
        call = Call(method="POST", path="/v1/me/links/approve", body=_Scanned(link), repeats=False)
        await self._api.ask(call, Nothing)

    async def sign_out(self) -> None:
        """End this device's session; `client.sign_in.by_kept_token` brings the person back."""
        call = Call(method="POST", path="/v1/me/sign-out", settled_by="unauthenticated")
        kept = await self._api.ask(call, _Kept)
        if kept.return_token is not None:
            await self._account.keep_token(kept.return_token)
        await self._leave()

    async def _do(self, method: str, path: str, body: Struct | None = None) -> None:
        await self._api.ask(Call(method=method, path=path, body=body), Nothing)
