"""`GET /v1/ws` as aiohttp sees it: refusals, and upgrades that come later on an HTTP connection."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_server.domain.errors import Malformed
from hodhod_server.gateway import handshake
from hodhod_server.gateway.entrance import PATH, Entrance
from hodhod_server.web.serving import FRONT, Front

ENTRANCE: Final = web.AppKey("ENTRANCE", Entrance)


def add_websocket(app: web.Application, entrance: Entrance) -> None:
    """Serve the socket, at the entrance and behind it."""
    app[ENTRANCE] = entrance
    app[FRONT] = Front(entrance.first)
    app.router.add_get(PATH, upgrade)


async def upgrade(request: web.Request) -> web.StreamResponse:
    """Take the connection over; the response is for aiohttp's eyes only."""
    entrance, headers = request.app[ENTRANCE], request.headers
    codec = handshake.negotiate(headers)
    caller = entrance.prove(headers.get("Authorization"))
    answer = handshake.answer(headers, codec)
    http, line = request.protocol, request.transport
    if not http._upgraded:
        raise Malformed("this address takes WebSocket upgrades only")
    if line is None:
        raise ConnectionResetError
    early, http.transport = http._message_tail, None
    http.connection_lost(None)  # as far as aiohttp can see; it lets go of everything
    line.write(answer)
    entrance.open(line, codec, caller, early)
    return web.Response(status=101)
