"""What guards the caller's account: recovery key, PIN, and signing out with a way back."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ownership import Evidence
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint

_SECRET_CHARS_MAX: Final = 128
_Secret = Annotated[str, msgspec.Meta(max_length=_SECRET_CHARS_MAX)]


class _Untold(msgspec.Struct, frozen=True, kw_only=True):
    """A body that must not be seen."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class GuardsView(msgspec.Struct, frozen=True, kw_only=True):
    """Which guards the account has. `held_until` (ms) is the calling device's."""

    pin: bool
    totp: bool
    recovery_key: bool
    passkeys: int
    held_until: int | None


class NewRecoveryKey(_Untold, frozen=True, kw_only=True):
    """A key of the client's own making, 32 random bytes in base64url; without it: the server's."""

    key: _Secret | None = None


class RecoveryKey(_Untold, frozen=True, kw_only=True):
    """The key, told this once."""

    key: str


class NewPin(_Untold, frozen=True, kw_only=True):
    """4 to 20 characters; digits of any alphabet."""

    pin: _Secret


class Unlock(_Untold, frozen=True, kw_only=True):
    """The PIN or a one-time code of the account."""

    pin: _Secret | None = None
    totp: _Secret | None = None


class ReturnToken(_Untold, frozen=True, kw_only=True):
    """The token by which this device may come back; null for a device that was held."""

    return_token: str | None


async def show_guards(request: web.Request) -> web.Response:
    """What guards the account."""
    seen = await request.app[INSIDE].returning.guards.overview(caller(request))
    return answer(
        GuardsView(
            pin=seen.has_pin,
            totp=seen.has_totp,
            recovery_key=seen.has_recovery_key,
            passkeys=seen.passkeys,
            held_until=None if seen.held_until is None else to_ms(seen.held_until),
        )
    )


async def set_recovery_key(request: web.Request) -> web.Response:
    """A recovery key, in place of the one before."""
    asker = caller(request)
    wanted = await read(request, NewRecoveryKey)
    key = await request.app[INSIDE].returning.returns.set_recovery_key(asker, wanted.key)
    return answer(RecoveryKey(key=key.text), status=201)


async def remove_recovery_key(request: web.Request) -> web.Response:
    """No recovery key lets in any more."""
    await request.app[INSIDE].returning.returns.remove_recovery_key(caller(request))
    return answer(Done())


async def set_pin(request: web.Request) -> web.Response:
    """A PIN, in place of the one before."""
    asker = caller(request)
    wanted = await read(request, NewPin)
    await request.app[INSIDE].returning.guards.set_pin(asker, wanted.pin)
    return answer(Done())


async def remove_pin(request: web.Request) -> web.Response:
    """No PIN guards the account any more."""
    await request.app[INSIDE].returning.guards.remove_pin(caller(request))
    return answer(Done())


async def lift_hold(request: web.Request) -> web.Response:
    """The calling device need not wait any more."""
    asker = caller(request)
    shown = await read(request, Unlock)
    evidence = Evidence(pin=shown.pin, totp=shown.totp)
    await request.app[INSIDE].returning.guards.lift_hold(asker, evidence)
    return answer(Done())


async def sign_out(request: web.Request) -> web.Response:
    """End the caller's own session and keep a way back."""
    key = await request.app[INSIDE].returning.returns.sign_out(caller(request))
    return answer(ReturnToken(return_token=None if key is None else key.text))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/me/guards",
        handler=show_guards,
        summary="What guards the account.",
        gives=GuardsView,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/recovery-key",
        handler=set_recovery_key,
        summary="A new recovery key, told this once.",
        takes=NewRecoveryKey,
        gives=RecoveryKey,
        status=201,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me/recovery-key",
        handler=remove_recovery_key,
        summary="No recovery key lets in any more.",
        gives=Done,
    ),
    Endpoint(
        method="PUT",
        path="/v1/me/pin",
        handler=set_pin,
        summary="A PIN that guards the number.",
        takes=NewPin,
        gives=Done,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me/pin",
        handler=remove_pin,
        summary="No PIN any more.",
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/hold/lift",
        handler=lift_hold,
        summary="End the hold of the calling device by PIN or one-time code.",
        takes=Unlock,
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/sign-out",
        handler=sign_out,
        summary="End one's own session and keep a token to come back by.",
        gives=ReturnToken,
    ),
)
