"""What a signed-in device may let in: sign-ins that wait for a word, and links that it scanned."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.http_api.accounts import Done
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.limits import TOKEN_CHARS_MAX


class SignInView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody proves the caller's number. One of `numbers` stands on their screen."""

    challenge: str
    at: int
    name: str
    platform: str
    numbers: list[int]


class SignInList(msgspec.Struct, frozen=True):
    """Who waits, newest first."""

    sign_ins: list[SignInView]


class ApproveSignIn(msgspec.Struct, frozen=True):
    """The number on the other screen."""

    number: int


class ScannedLink(msgspec.Struct, frozen=True):
    """The text of the picture."""

    link: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)]

    def __repr__(self) -> str:
        return "ScannedLink()"


class LinkedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What approving would let in, until then (ms)."""

    name: str
    platform: str
    expires_at: int


async def list_sign_ins(request: web.Request) -> web.Response:
    """Who waits for a word of the caller."""
    found = await request.app[INSIDE].returning.entrance.sign_ins.waiting(caller(request))
    views = [
        SignInView(
            challenge=one.challenge,
            at=one.at,
            name=one.name,
            platform=one.platform,
            numbers=one.numbers,
        )
        for one in found
    ]
    return answer(SignInList(views))


async def approve_sign_in(request: web.Request) -> web.Response:
    """Let somebody in, by the number on their screen."""
    asker = caller(request)
    shown = await read(request, ApproveSignIn)
    challenge = ChallengeId(request.match_info["challenge"])
    await request.app[INSIDE].returning.entrance.sign_ins.approve(asker, challenge, shown.number)
    return answer(Done())


async def refuse_sign_in(request: web.Request) -> web.Response:
    """Keep somebody out."""
    asker, challenge = caller(request), ChallengeId(request.match_info["challenge"])
    await request.app[INSIDE].returning.entrance.sign_ins.refuse(asker, challenge)
    return answer(Done())


async def look_at_link(request: web.Request) -> web.Response:
    """What approving the link would let in."""
    caller(request)
    link = request.app[INSIDE].returning.links.look((await read(request, ScannedLink)).link)
    entrant = link.entrant
    return answer(
        LinkedDevice(
            name=entrant.name, platform=entrant.platform, expires_at=to_ms(link.expires_at)
        )
    )


async def approve_link(request: web.Request) -> web.Response:
    """Let the link's device in."""
    asker = caller(request)
    body = await read(request, ScannedLink)
    await request.app[INSIDE].returning.links.approve(asker, body.link)
    return answer(Done())


_SIGN_IN: Final = "/v1/me/sign-ins/{challenge}"
ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/v1/me/sign-ins",
        handler=list_sign_ins,
        summary="Sign-ins elsewhere that wait for the caller's word.",
        gives=SignInList,
    ),
    Endpoint(
        method="POST",
        path=f"{_SIGN_IN}/approve",
        handler=approve_sign_in,
        summary="Let somebody in, by the number on their screen.",
        takes=ApproveSignIn,
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path=f"{_SIGN_IN}/refuse",
        handler=refuse_sign_in,
        summary="Keep somebody out.",
        gives=Done,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/links/look",
        handler=look_at_link,
        summary="What approving a scanned link would let in.",
        takes=ScannedLink,
        gives=LinkedDevice,
    ),
    Endpoint(
        method="POST",
        path="/v1/me/links/approve",
        handler=approve_link,
        summary="Let the device of a scanned link in.",
        takes=ScannedLink,
        gives=Done,
    ),
)
