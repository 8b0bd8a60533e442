"""`GET /v1/ws`: from an HTTP upgrade (RFC 6455) to a `Connection`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from hodhod_server.domain.errors import Malformed
from hodhod_server.gateway.connection import CLOSE_S, Connection
from hodhod_server.gateway.messages import Messages
from hodhod_server.gateway.writer import Transport
from hodhod_server.settings import GatewaySettings
from hodhod_server.web.callers import bearer_token, caller
from hodhod_wire.codec import CODECS, MSGPACK, Codec, InvalidFrame

# A frame over its limit but below this is refused by name; above it the protocol closes with 1009.
MESSAGE_BYTES_MAX: Final = 1024 * 1024
Opener = Callable[[Transport, Codec], Connection]
MESSAGES: Final = {codec: Messages(binary=codec.binary) for codec in CODECS.values()}
OPENER: Final = web.AppKey[Opener]("OPENER")
SETTINGS: Final = web.AppKey("SETTINGS", GatewaySettings)


def add_websocket(app: web.Application, opener: Opener, settings: GatewaySettings) -> None:
    """Serve the socket; `opener` makes a connection of a transport and its codec."""
    app[OPENER] = opener
    app[SETTINGS] = settings
    app.router.add_get("/v1/ws", upgrade)


async def upgrade(request: web.Request) -> web.StreamResponse:
    """A connection, from its upgrade to its end."""
    codec, settings = _negotiate(request), request.app[SETTINGS]
    token = bearer_token(request)
    if token is not None:
        caller(request)  # a wrong one is refused while HTTP can still say so
    socket = web.WebSocketResponse(
        protocols=(codec.subprotocol,),
        heartbeat=settings.heartbeat_s,
        max_msg_size=MESSAGE_BYTES_MAX,
        timeout=CLOSE_S,
        compress=False,
    )
    if not socket.can_prepare(request).ok:
        raise Malformed("this address takes WebSocket upgrades only")
    await socket.prepare(request)
    transport = _AiohttpTransport(socket, request, codec, settings.send_queue_bytes_max)
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
    """An upgraded request as the transport of a connection.

    Frames are written beside aiohttp's own (pings, the goodbye), each as one whole message.
    """

    __slots__ = ("_line", "_message", "_request", "_socket")

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        codec: Codec,
        unsent_bytes_max: int,
    ) -> None:
        if request.transport is None:
            raise ConnectionResetError
        self._socket = socket
        self._request = request
        self._line = request.transport
        self._message = MESSAGES[codec]
        self._line.set_write_buffer_limits(unsent_bytes_max // 2)

    async def receive(self) -> bytes | None:
        message = await self._socket.receive()
        match message.type:
            case WSMsgType.BINARY if self._message.binary:
                data: bytes = message.data
                return data
            case WSMsgType.TEXT if not self._message.binary:
                text: str = message.data
                return text.encode()
            case WSMsgType.BINARY | WSMsgType.TEXT:
                raise InvalidFrame("Wrong kind of message for this subprotocol")
            case _:
                return None

    def pause(self) -> None:
        if not self._line.is_closing():
            self._line.pause_reading()

    def resume(self) -> None:
        if not self._line.is_closing():
            self._line.resume_reading()

    def send(self, frame: bytes) -> int:
        message = self._message.of(frame)
        if not self._line.is_closing():
            self._line.write(message)
        return len(message)

    def unsent_bytes(self) -> int:
        return self._line.get_write_buffer_size()

    async def drain(self) -> None:
        await self._request.writer.drain()
        if self._line.is_closing():
            raise ConnectionResetError

    async def close(self, code: int) -> None:
        await self._socket.close(code=code)

    def abort(self) -> None:
        self._line.abort()
