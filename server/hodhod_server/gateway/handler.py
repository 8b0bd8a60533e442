"""`GET /v1/ws`: from an HTTP upgrade (RFC 6455) to a `Connection`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from hodhod_server.domain.errors import Malformed
from hodhod_server.gateway.connection import CLOSE_S, Connection
from hodhod_server.gateway.writer import Transport
from hodhod_server.settings import GatewaySettings
from hodhod_server.web.callers import bearer_token, caller
from hodhod_wire.codec import CODECS, MSGPACK, Codec, InvalidFrame

# A frame over its limit but below this is refused by name; above it the protocol closes with 1009.
MESSAGE_BYTES_MAX: Final = 1024 * 1024
Opener = Callable[[Transport, Codec], Connection]
OPENER: Final = web.AppKey[Opener]("OPENER")
SETTINGS: Final = web.AppKey("SETTINGS", GatewaySettings)


def add_websocket(app: web.Application, opener: Opener, settings: GatewaySettings) -> None:
    """Serve the socket; `opener` makes a connection of a transport and its codec."""
    app[OPENER] = opener
    app[SETTINGS] = settings
    app.router.add_get("/v1/ws", upgrade)


async def upgrade(request: web.Request) -> web.StreamResponse:
    """A connection, from its upgrade to its end."""
    codec = _negotiate(request)
    token = bearer_token(request)
    if token is not None:
        caller(request)  # a wrong one is refused while HTTP can still say so
    socket = web.WebSocketResponse(
        protocols=(codec.subprotocol,),
        heartbeat=request.app[SETTINGS].heartbeat_s,
        max_msg_size=MESSAGE_BYTES_MAX,
        timeout=CLOSE_S,
        compress=False,
    )
    if not socket.can_prepare(request).ok:
        raise Malformed("this address takes WebSocket upgrades only")
    await socket.prepare(request)
    transport = _AiohttpTransport(socket, request, codec)
    await request.app[OPENER](transport, codec).run(token)
    return socket


def _negotiate(request: web.Request) -> Codec:
    """The first of the offered subprotocols that is ours; MessagePack where none is offered."""
    header = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    offered = [name for part in header.split(",") if (name := part.strip())]
    if not offered:
        return MSGPACK
    for name in offered:
        if name in CODECS:
            return CODECS[name]
    raise Malformed(f"offer one of the subprotocols {', '.join(CODECS)}")


class _AiohttpTransport:
    """An upgraded request as the transport of a connection."""

    __slots__ = ("_binary", "_opcode", "_request", "_socket")

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, codec: Codec) -> None:
        self._socket = socket
        self._request = request
        self._binary = codec.binary
        self._opcode = WSMsgType.BINARY if codec.binary else WSMsgType.TEXT

    async def receive(self) -> bytes | None:
        message = await self._socket.receive()
        match message.type:
            case WSMsgType.BINARY if self._binary:
                data: bytes = message.data
                return data
            case WSMsgType.TEXT if not self._binary:
                text: str = message.data
                return text.encode()
            case WSMsgType.BINARY | WSMsgType.TEXT:
                raise InvalidFrame("Wrong kind of message for this subprotocol")
            case _:
                return None

    async def send(self, frame: bytes) -> None:
        await self._socket.send_frame(frame, self._opcode)

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
