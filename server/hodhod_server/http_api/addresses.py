"""Where each role is, as the asking client can reach it.

Addresses come from the settings; where those are empty, from the host the client used and the
ports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from hodhod_server.settings import PublicSettings

PUBLIC: Final = web.AppKey("PUBLIC", PublicSettings)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base addresses, without a slash at the end."""

    gateway: str
    signup: str
    media: str

    @property
    def socket(self) -> str:
        """The WebSocket."""
        return f"{self.gateway.replace('http', 'ws', 1)}/v1/ws"


def addresses_of(request: web.Request) -> Addresses:
    """The addresses for whoever sent this request."""
    public = request.app[PUBLIC]
    return Addresses(
        public.gateway_url.rstrip("/") or f"{request.scheme}://{request.host}",
        public.signup_url.rstrip("/") or _beside(request, public.signup_port),
        public.media_url.rstrip("/") or _beside(request, public.media_port),
    )


def _beside(request: web.Request, port: int) -> str:
    return str(request.url.origin().with_port(port))
