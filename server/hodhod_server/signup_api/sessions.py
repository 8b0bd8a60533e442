"""Coming back without a code: by refresh token, or by the device's own key."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import SignatureInvalid
from hodhod_server.domain.ids import DeviceId
from hodhod_server.domain.keys import from_base64url
from hodhod_server.domain.models import Session
from hodhod_server.services.sessions import Sessions
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.endpoints import Endpoint
from hodhod_wire.limits import TOKEN_CHARS_MAX, Id, TimeMs

SESSIONS: Final = web.AppKey("SESSIONS", Sessions)


class Refresh(msgspec.Struct, frozen=True):
    """The newest refresh token that the client has."""

    refresh_token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)]

    def __repr__(self) -> str:
        return "Refresh()"


class DeviceKeyReturn(msgspec.Struct, frozen=True):
    """A moment of the device's clock and its signature, base64url."""

    device: Id
    at: TimeMs
    signature: str


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Signed in. Times in ms since the epoch."""

    user: int
    device: int
    name: str
    is_new: bool
    access_token: str
    access_expires_at: int
    refresh_token: str
    refresh_expires_at: int

    def __repr__(self) -> str:
        return f"SessionAnswer(user={self.user}, device={self.device})"


def session_answer(session: Session) -> SessionAnswer:
    """A session as it travels."""
    return SessionAnswer(
        user=session.user,
        device=session.device,
        name=session.name,
        is_new=session.is_new,
        access_token=session.access_token,
        access_expires_at=to_ms(session.access_expires_at),
        refresh_token=session.refresh_token,
        refresh_expires_at=to_ms(session.refresh_expires_at),
    )


async def refresh(request: web.Request) -> web.Response:
    """New tokens for a refresh token; a lost answer can be asked for again."""
    body = await read(request, Refresh)
    session = await request.app[SESSIONS].refresh(body.refresh_token)
    return answer(session_answer(session))


async def return_by_device_key(request: web.Request) -> web.Response:
    """New tokens for a signature of the device's key. No code is sent."""
    body = await read(request, DeviceKeyReturn)
    try:
        signature = from_base64url(body.signature.rstrip("="))
    except ValueError:
        raise SignatureInvalid from None
    session = await request.app[SESSIONS].return_by_device_key(
        DeviceId(body.device), body.at, signature
    )
    return answer(session_answer(session))


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/sessions/refresh",
        handler=refresh,
        summary="New tokens for a refresh token; asked again, the same refresh token.",
        takes=Refresh,
        gives=SessionAnswer,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/sessions/device-key",
        handler=return_by_device_key,
        summary="New tokens for a moment signed by the device's key.",
        takes=DeviceKeyReturn,
        gives=SessionAnswer,
        is_public=True,
    ),
)
