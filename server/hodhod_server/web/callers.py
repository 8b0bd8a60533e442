"""Who asks: the bearer token of a request (RFC 6750), checked without the database."""

from __future__ import annotations

from typing import Final, Protocol

from aiohttp import web

from hodhod_server.domain.errors import Unauthenticated
from hodhod_server.domain.ids import DeviceId
from hodhod_server.domain.tokens import Caller


class Authenticator(Protocol):
    """Tells whom an access token proves."""

    def authenticate(self, token: str) -> Caller:
        """Raises `Unauthenticated`."""
        ...


class SessionAuthenticator(Authenticator, Protocol):
    """Also knows whether a session has ended since its token was seen."""

    def has_ended(self, device: DeviceId) -> bool:
        """Has this device's session been ended, within the life of its tokens?"""
        ...


class _Holder:
    """aiohttp's keys are typed by a class, and a protocol is none."""

    __slots__ = ("authenticator",)

    def __init__(self, authenticator: Authenticator) -> None:
        self.authenticator = authenticator


_AUTHENTICATOR: Final = web.AppKey("AUTHENTICATOR", _Holder)


def use_authenticator(app: web.Application, authenticator: Authenticator) -> None:
    """Introduce the authenticator that `caller` asks."""
    app[_AUTHENTICATOR] = _Holder(authenticator)


def bearer_token(request: web.Request) -> str | None:
    """The token of the `Authorization` header, `None` where there is no such header.

    Raises `Unauthenticated` for a header of another scheme.
    """
    return token_of(request.headers.get("Authorization"))


def token_of(header: str | None) -> str | None:
    """The same, of the header's value."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token.strip()


def caller(request: web.Request) -> Caller:
    """Who makes this request. Raises `Unauthenticated`."""
    token = bearer_token(request)
    if token is None:
        raise Unauthenticated
    return request.config_dict[_AUTHENTICATOR].authenticator.authenticate(token)
