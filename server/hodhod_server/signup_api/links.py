"""A new device that is let in by a signed-in one: its link, and the session that comes of it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import SignatureInvalid
from hodhod_server.domain.keys import from_base64url
from hodhod_server.services.device_links import Claim, DeviceLinks
from hodhod_server.signup_api.entrants import DeviceDescription, entrant_of
from hodhod_server.signup_api.sessions import SessionAnswer, session_answer
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.limits import TOKEN_CHARS_MAX, TimeMs

LINKS: Final = web.AppKey("LINKS", DeviceLinks)


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """The program that wants to be let in; it needs a key."""

    device: DeviceDescription


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """What to show as a picture, and until when (ms). `id` is part of what is signed."""

    id: str
    link: str
    expires_at: int


class ClaimLink(msgspec.Struct, frozen=True, kw_only=True):
    """The link and a signature by the device's key; the answer waits up to `wait_s`."""

    link: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)]
    at: TimeMs
    signature: str
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=25)] = 0.0

    def __repr__(self) -> str:
        return "ClaimLink()"


class LinkWaits(msgspec.Struct, frozen=True):
    """Nobody has approved so far: ask again."""

    state: str = "waiting"


async def new_link(request: web.Request) -> web.Response:
    """A link to show. Nothing is kept of it."""
    body = await read(request, NewLink)
    link, text = request.app[LINKS].new(entrant_of(body.device))
    view = LinkView(id=link.link, link=text, expires_at=to_ms(link.expires_at))
    return answer(view, status=201)


async def claim_link(request: web.Request) -> web.Response:
    """The session, once a signed-in device approved; 202 while none did."""
    body = await read(request, ClaimLink)
    try:
        signature = from_base64url(body.signature.rstrip("="))
    except ValueError:
        raise SignatureInvalid from None
    wanted = Claim(link=body.link, at_ms=body.at, signature=signature, wait_s=body.wait_s)
    session = await request.app[LINKS].claim(wanted)
    if session is None:
        return answer(LinkWaits(), status=202)
    return answer(session_answer(session))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/sessions/links",
        handler=new_link,
        summary="A link that a signed-in device can approve.",
        takes=NewLink,
        gives=LinkView,
        status=201,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/sessions/links/claim",
        handler=claim_link,
        summary="The session of an approved link; 202 while it waits.",
        takes=ClaimLink,
        gives=SessionAnswer,
        is_public=True,
    ),
)
