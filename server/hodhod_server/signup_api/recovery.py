"""Coming back by a key that was kept: a recovery key, or the token of a device that signed out."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.ownership import Evidence
from hodhod_server.domain.phone import parse_phone
from hodhod_server.domain.return_keys import ReturnKind
from hodhod_server.services.returns import KEYS_MAX, Return, Returns
from hodhod_server.signup_api.entrants import DeviceDescription, entrant_of
from hodhod_server.signup_api.sessions import SessionAnswer, session_answer
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.endpoints import Endpoint

RETURNS: Final = web.AppKey("RETURNS", Returns)
_KEY_CHARS_MAX: Final = 64
_Key = Annotated[str, msgspec.Meta(max_length=_KEY_CHARS_MAX)]


class _Untold(msgspec.Struct, frozen=True, kw_only=True):
    """A body that must not be seen."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RecoveryKeyReturn(_Untold, frozen=True, kw_only=True):
    """The number, its recovery key, and the PIN or one-time code where the account has one."""

    phone: str
    key: _Key
    device: DeviceDescription
    pin: str | None = None
    totp: str | None = None


class ReturnTokenReturn(_Untold, frozen=True, kw_only=True):
    """The number, and the tokens that this device kept; one of them may be the account's."""

    phone: str
    tokens: Annotated[list[_Key], msgspec.Meta(max_length=KEYS_MAX)]
    device: DeviceDescription
    pin: str | None = None
    totp: str | None = None


async def return_by_recovery_key(request: web.Request) -> web.Response:
    """Let a device in by the recovery key. No code is sent."""
    body = await read(request, RecoveryKeyReturn)
    wanted = Return(
        phone=parse_phone(body.phone),
        kind=ReturnKind.RECOVERY,
        keys=[body.key],
        entrant=entrant_of(body.device),
        evidence=Evidence(pin=body.pin, totp=body.totp),
    )
    return answer(session_answer(await request.app[RETURNS].return_by_key(wanted)))


async def return_by_token(request: web.Request) -> web.Response:
    """Let a device in again that was signed out here. No code is sent."""
    body = await read(request, ReturnTokenReturn)
    wanted = Return(
        phone=parse_phone(body.phone),
        kind=ReturnKind.LOGOUT,
        keys=body.tokens,
        entrant=entrant_of(body.device),
        evidence=Evidence(pin=body.pin, totp=body.totp),
    )
    return answer(session_answer(await request.app[RETURNS].return_by_key(wanted)))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/sessions/recovery-key",
        handler=return_by_recovery_key,
        summary="A session for a number and its recovery key.",
        takes=RecoveryKeyReturn,
        gives=SessionAnswer,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/sessions/return-token",
        handler=return_by_token,
        summary="A session for a number and a token kept at sign-out.",
        takes=ReturnTokenReturn,
        gives=SessionAnswer,
        is_public=True,
    ),
)
