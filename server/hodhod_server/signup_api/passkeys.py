"""Coming in by a passkey: the question for the authenticator, and its answer."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from hodhod_server.services.passkeys import Passkeys
from hodhod_server.signup_api.entrants import DeviceDescription, entrant_of
from hodhod_server.signup_api.sessions import SessionAnswer, session_answer
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.endpoints import Endpoint

PASSKEYS: Final = web.AppKey("PASSKEYS", Passkeys)


class PasskeyQuestion(msgspec.Struct, frozen=True):
    """Options of `navigator.credentials`, as JSON (WebAuthn level 3)."""

    options: msgspec.Raw


class PasskeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The authenticator's answer as its `toJSON()`, and the program that is to be let in."""

    credential: msgspec.Raw
    device: DeviceDescription

    def __repr__(self) -> str:
        return "PasskeyAnswer()"


async def ask(request: web.Request) -> web.Response:
    """What to give the authenticator."""
    options = request.app[PASSKEYS].ask_to_enter()
    return answer(PasskeyQuestion(msgspec.Raw(options.encode())), status=201)


async def enter(request: web.Request) -> web.Response:
    """Let a device in by the authenticator's answer. No code is sent."""
    body = await read(request, PasskeyAnswer)
    entrant = entrant_of(body.device)
    session = await request.app[PASSKEYS].enter(bytes(body.credential), entrant)
    return answer(session_answer(session))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/sessions/passkey/options",
        handler=ask,
        summary="What to give the authenticator to come in by a passkey.",
        gives=PasskeyQuestion,
        status=201,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/sessions/passkey",
        handler=enter,
        summary="A session for the answer of a passkey.",
        takes=PasskeyAnswer,
        gives=SessionAnswer,
        is_public=True,
    ),
)
