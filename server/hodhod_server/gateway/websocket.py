"""An upgraded connection: bytes to messages and back, between asyncio and a `Connection`.

aiohttp's reader, in C, takes the frames apart (RFC 6455: masks, fragments, lengths, UTF-8, close
codes). What is here is what a server answers to control frames, when reading pauses, and how the
connection ends. There is no task, no future and no timer while nothing happens.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http_websocket import WebSocketReader, WSMessage, WSMessageTextBytes

from hodhod_server.gateway import messages
from hodhod_server.gateway.connection import Connection
from hodhod_server.gateway.heartbeats import Heartbeats
from hodhod_server.gateway.messages import Messages
from hodhod_server.telemetry import logs
from hodhod_wire.codec import CODECS, Codec

log = logs.get("websocket")
# A frame over its limit but below this is refused by name; above it the protocol closes with 1009.
MESSAGE_BYTES_MAX: Final = 1024 * 1024
CLOSE_S: Final = 2.0
MESSAGES: Final = {codec: Messages(binary=codec.binary) for codec in CODECS.values()}


class _Inbox(WebSocketDataQueue):
    """Where the reader puts messages: straight through. The base's own queue is never made."""

    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocket) -> None:
        self._socket: WebSocket | None = socket

    def feed_data(self, data: WSMessage | WSMessageTextBytes, size: int) -> None:
        if self._socket is not None:
            self._socket.take(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        if isinstance(exc, WebSocketError):
            code = exc.code
        else:
            log.error("socket.failed", exc_info=exc)  # not the client's fault but ours
            code = WSCloseCode.INTERNAL_ERROR
        if self._socket is not None:
            self._socket.fail(code)

    def cut_loose(self) -> None:
        """The socket is over; what the reader still has goes nowhere."""
        self._socket = None


class WebSocket(asyncio.Protocol):
    """The transport of a connection (`gateway.writer.Transport`), from the upgrade on."""

    __slots__ = (
        "_connection",
        "_cutting",
        "_drained",
        "_has_parted",
        "_heartbeats",
        "_inbox",
        "_is_paused",
        "_is_stuck",
        "_line",
        "_messages",
        "_reader",
        "heard_at",
        "is_pinged",
        "look_number",
    )

    def __init__(
        self, line: asyncio.Transport, codec: Codec, heartbeats: Heartbeats, unsent_bytes_max: int
    ) -> None:
        self._line = line
        self._messages = MESSAGES[codec]
        self._heartbeats = heartbeats
        self._inbox = _Inbox(self)
        self._reader = WebSocketReader(
            self._inbox, MESSAGE_BYTES_MAX, compress=False, decode_text=True
        )
        self._connection: Connection | None = None
        self._drained: asyncio.Future[None] | None = None
        self._cutting: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._has_parted = False  # the client has said goodbye
        self._is_stuck = False  # more is unsent than a page may wait behind
        self.heard_at = asyncio.get_running_loop().time()
        self.look_number = 0
        self.is_pinged = False
        line.set_write_buffer_limits(unsent_bytes_max // 2)

    def start(self, connection: Connection, early: bytes) -> None:
        """Serve the connection; `early` is what the client sent behind its request."""
        self._connection = connection
        self._line.set_protocol(self)
        self._heartbeats.add(self)
        connection.begin()
        if early:
            self._reader.feed_data(early)

    # --- what asyncio calls ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        self._reader.feed_data(data)

    def pause_writing(self) -> None:
        self._is_stuck = True

    def resume_writing(self) -> None:
        self._is_stuck = False
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._heartbeats.remove(self)
        self._inbox.cut_loose()
        if self._cutting is not None:
            self._cutting.cancel()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.lost()
        self._wake()

    # --- what the reader calls -------------------------------------------------------------------

    def take(self, message: WSMessage | WSMessageTextBytes) -> None:
        """A message of the client."""
        kind, data, _ = message
        if self._cutting is not None:
            if kind is WSMsgType.CLOSE:
                self._line.close()  # the answer to our goodbye
        elif self._connection is None or self._line.is_closing():
            pass
        elif kind is WSMsgType.BINARY and self._messages.binary:
            self._connection.take(data)
        elif kind is WSMsgType.TEXT and not self._messages.binary:
            self._connection.take(data.encode())
        elif kind is WSMsgType.PING:
            if not self._line.get_write_buffer_size():  # who does not read gets no more
                self._line.write(messages.pong(data))
        elif kind is WSMsgType.CLOSE:
            self._has_parted = True
            self._connection.take(None)  # what it said before comes first
        elif kind is not WSMsgType.PONG:
            self._connection.take_nonsense("Wrong kind of message for this subprotocol")

    def fail(self, code: int) -> None:
        """The client does not speak the protocol."""
        self._has_parted = True
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.lost()
        self.close(code)

    # --- what the connection and its heartbeat call ----------------------------------------------

    def pause(self) -> None:
        if not self._is_paused and not self._line.is_closing():
            self._is_paused = True
            self._line.pause_reading()

    def resume(self) -> None:
        if self._is_paused and not self._line.is_closing():
            self._is_paused = False
            self._line.resume_reading()

    def send(self, frame: bytes) -> int:
        message = self._messages.of(frame)
        if not self._line.is_closing():
            self._line.write(message)
        return len(message)

    def unsent_bytes(self) -> int:
        return self._line.get_write_buffer_size()

    async def drain(self) -> None:
        while self._is_stuck and not self._line.is_closing():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._drained])
        if self._line.is_closing():
            raise ConnectionResetError

    def close(self, code: int) -> None:
        if self._line.is_closing():
            return
        is_read = not self._line.get_write_buffer_size()
        self._line.write(messages.close(code))
        self.resume()  # else its answer is not seen
        if self._has_parted:
            self._line.close()
        if not (self._has_parted and is_read):
            self._cutting = asyncio.get_running_loop().call_later(CLOSE_S, self._line.abort)

    def ping(self) -> None:
        if not self._line.is_closing():
            self._line.write(messages.PING)

    def abort(self) -> None:
        self._line.abort()

    def _wake(self) -> None:
        if self._drained is not None:
            drained, self._drained = self._drained, None
            drained.set_result(None)
