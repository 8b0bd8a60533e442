"""Second proofs of the caller's account: authenticator app, and the number itself."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ownership import Evidence
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.services.numbers import NewNumber
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint

_SECRET_CHARS_MAX: Final = 128
_Secret = Annotated[str, msgspec.Meta(max_length=_SECRET_CHARS_MAX)]


class _Untold(msgspec.Struct, frozen=True, kw_only=True):
    """A body that must not be seen."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class TotpEnrolment(_Untold, frozen=True, kw_only=True):
    """The secret for the authenticator app, and the text of its picture. Told this once."""

    secret: str
    uri: str


class OneTimeCode(_Untold, frozen=True, kw_only=True):
    """What the app shows now."""

    code: _Secret


class ChangeNumber(_Untold, frozen=True, kw_only=True):
    """The accepted challenge of the new number, and the PIN or code where the account has one.

    `fresh` takes it from an account whose guard no longer holds it.
    """

    challenge: _Secret
    secret: _Secret
    pin: _Secret | None = None
    totp: _Secret | None = None
    fresh: bool = False


async def enrol_totp(request: web.Request) -> web.Response:
    """A secret for an authenticator app."""
    secret, uri = await request.app[INSIDE].returning.one_time_codes.enrol(caller(request))
    return answer(TotpEnrolment(secret=secret.text, uri=uri), status=201)


async def confirm_totp(request: web.Request) -> web.Response:
    """From now on the app guards the account."""
    asker = caller(request)
    shown = await read(request, OneTimeCode)
    await request.app[INSIDE].returning.one_time_codes.confirm(asker, shown.code)
    return answer(Done())


async def remove_totp(request: web.Request) -> web.Response:
    """No app guards the account any more."""
    await request.app[INSIDE].returning.one_time_codes.remove(caller(request))
    return answer(Done())


async def change_number(request: web.Request) -> web.Response:
    """Take another number, which was proved by its challenge."""
    asker = caller(request)
    body = await read(request, ChangeNumber)
    evidence = Evidence(pin=body.pin, totp=body.totp, wants_fresh=body.fresh)
    wanted = NewNumber(challenge=ChallengeId(body.challenge), secret=body.secret, evidence=evidence)
    await request.app[INSIDE].returning.numbers.change(asker, wanted)
    return answer(Done())


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/me/totp",
        handler=enrol_totp,
        summary="A secret for an authenticator app; to be confirmed.",
        gives=TotpEnrolment,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/totp/confirm",
        handler=confirm_totp,
        summary="Show a code of the app: from now on it guards the account.",
        takes=OneTimeCode,
        gives=Done,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me/totp",
        handler=remove_totp,
        summary="No app guards the account any more.",
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/number",
        handler=change_number,
        summary="Take another number, proved by its accepted challenge.",
        takes=ChangeNumber,
        gives=Done,
    ),
)
