"""The caller's passkeys: register, list, remove."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import NotFound
from hodhod_server.domain.keys import base64url, from_base64url
from hodhod_server.domain.text import label
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.limits import NAME_CHARS_MAX


class PasskeyOptions(msgspec.Struct, frozen=True):
    """Options of `navigator.credentials.create`, as JSON (WebAuthn level 3)."""

    options: msgspec.Raw


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """What the authenticator made, as its `toJSON()`, and a name to know it by."""

    credential: msgspec.Raw
    name: Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)] = ""

    def __repr__(self) -> str:
        return "NewPasskey()"


class PasskeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey. Times in ms since the epoch."""

    id: str
    name: str
    created_at: int
    used_at: int | None


class PasskeyList(msgspec.Struct, frozen=True):
    """The caller's passkeys, oldest first."""

    passkeys: list[PasskeyView]


async def ask(request: web.Request) -> web.Response:
    """What to give the authenticator."""
    options = await request.app[INSIDE].returning.passkeys.ask_to_register(caller(request))
    return answer(PasskeyOptions(msgspec.Raw(options.encode())), status=201)


async def register(request: web.Request) -> web.Response:
    """Keep a passkey."""
    asker = caller(request)
    body = await read(request, NewPasskey)
    name = label(body.name, chars_max=NAME_CHARS_MAX)
    await request.app[INSIDE].returning.passkeys.register(asker, bytes(body.credential), name)
    return answer(Done(), status=201)


async def list_passkeys(request: web.Request) -> web.Response:
    """The caller's passkeys."""
    found = await request.app[INSIDE].returning.passkeys.of(caller(request))
    views = [
        PasskeyView(
            id=base64url(one.credential_id),
            name=one.name,
            created_at=to_ms(one.created_at),
            used_at=None if one.used_at is None else to_ms(one.used_at),
        )
        for one in found
    ]
    return answer(PasskeyList(views))


async def remove(request: web.Request) -> web.Response:
    """A passkey lets in no more."""
    asker = caller(request)
    try:
        credential_id = from_base64url(request.match_info["passkey"])
    except ValueError:
        raise NotFound from None
    await request.app[INSIDE].returning.passkeys.remove(asker, credential_id)
    return answer(Done())


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/me/passkeys/options",
        handler=ask,
        summary="What to give the authenticator to make a passkey.",
        gives=PasskeyOptions,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/passkeys",
        handler=register,
        summary="Keep a passkey.",
        takes=NewPasskey,
        gives=Done,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/v1/me/passkeys",
        handler=list_passkeys,
        summary="The caller's passkeys.",
        gives=PasskeyList,
    ),
    Endpoint(
        method="DELETE",
        path="/v1/me/passkeys/{passkey}",
        handler=remove,
        summary="A passkey lets in no more.",
        gives=Done,
    ),
)
