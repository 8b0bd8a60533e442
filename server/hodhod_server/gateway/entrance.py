"""The first bytes of a connection, and who goes on with them.

Almost all are upgrades to `/v1/ws`, and in a storm there are thousands: aiohttp's parser reads the
head, and where everything is as it should be the socket is open without a request, a response,
a middleware or a task. All else is HTTP: it goes to aiohttp as it came, which also words every
refusal. An upgrade that comes later on an HTTP connection is taken over from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, cast

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError

from hodhod_server.domain.errors import HodhodError, Malformed
from hodhod_server.domain.load import Work
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway import handshake
from hodhod_server.gateway.connection import Connection
from hodhod_server.gateway.heartbeats import Heartbeats
from hodhod_server.gateway.house import House
from hodhod_server.gateway.websocket import CLOSE_S, WebSocket
from hodhod_server.telemetry import metrics
from hodhod_server.web.callers import token_of
from hodhod_wire.codec import Codec

PATH: Final = "/v1/ws"
BEGINNING: Final = f"GET {PATH} HTTP/1.1\r\n".encode()
END: Final = b"\r\n\r\n"
HEAD_BYTES_MAX: Final = 8 * 1024
MARGIN_S: Final = 0.2
UPGRADED: Final = metrics.HTTP_REQUESTS.labels("GET", "101")


class Entrance:
    """Where connections come in to a gateway."""

    def __init__(self, house: House) -> None:
        self.house: Final = house
        self.heartbeats: Final = Heartbeats(house.settings.heartbeat_s)

    def first(self, server: web.Server) -> asyncio.Protocol:
        """Who reads the first bytes of a connection."""
        return _Porch(self, server)

    def prove(self, authorization: str | None) -> Caller | None:
        """Whom the header proves, `None` without one. Raises `Unauthenticated`."""
        token = token_of(authorization)
        return None if token is None else self.house.doors.authenticate(token)

    def open(
        self, line: asyncio.Transport, codec: Codec, caller: Caller | None, early: bytes
    ) -> None:
        """From here on the line is a WebSocket; the client has been answered."""
        socket = WebSocket(line, codec, self.heartbeats, self.house.settings.send_queue_bytes_max)
        socket.start(Connection(socket, codec, self.house, caller), early)

    async def wait_until_empty(self) -> None:
        """Everybody has been sent away: until they are gone, at most as long as a goodbye lasts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S + MARGIN_S):
                await self.heartbeats.until_none()


class _Porch(asyncio.Protocol):
    """A connection of which it is not known yet what it will be."""

    __slots__ = (
        "_entrance",
        "_head",
        "_is_waiting",
        "_line",
        "_server",
        "heard_at",
        "is_pinged",
        "look_number",
    )

    def __init__(self, entrance: Entrance, server: web.Server) -> None:
        self._entrance = entrance
        self._server = server
        self._head = b""
        self._is_waiting = False
        self._line: asyncio.Transport | None = None
        self.heard_at = 0.0
        self.look_number = 0
        self.is_pinged = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast(asyncio.Transport, transport)  # what uvloop has is one by its methods
        self.heard_at = asyncio.get_running_loop().time()
        self._entrance.heartbeats.add(self)

    def ping(self) -> None:
        """It has been silent: aiohttp knows how long it waits for an HTTP client."""
        self._pass_on()

    def abort(self) -> None:
        if self._line is not None:
            self._line.abort()

    def data_received(self, data: bytes) -> None:
        self._head = head = self._head + data if self._head else data
        if self._is_waiting:
            return
        if not head.startswith(BEGINNING[: len(head)]) or len(head) > HEAD_BYTES_MAX:
            self._pass_on()
        elif END in head:
            admission = self._entrance.house.doors.admission
            if admission.is_open(Work.CONNECT):
                self._is_waiting = True
                admission.pace(self._go_in)
            else:
                self._pass_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._line = None
        self._entrance.heartbeats.remove(self)

    def _go_in(self, is_in_time: bool) -> None:
        if self._line is None or self._line.is_closing():
            return
        try:
            if not is_in_time:
                raise Malformed
            self._upgrade(self._line)
        except (HodhodError, HttpProcessingError):
            self._pass_on()

    def _upgrade(self, line: asyncio.Transport) -> None:
        parser = HttpRequestParser(None, asyncio.get_running_loop(), HEAD_BYTES_MAX)
        messages, is_upgrade, early = parser.feed_data(self._head)
        if not is_upgrade or len(messages) != 1:
            raise Malformed
        headers = messages[0][0].headers
        codec = handshake.negotiate(headers)
        caller = self._entrance.prove(headers.get("Authorization"))
        line.write(handshake.answer(headers, codec))
        UPGRADED.inc()
        self._entrance.heartbeats.remove(self)
        self._entrance.open(line, codec, caller, early)

    def _pass_on(self) -> None:
        """To aiohttp, as if it had been there from the beginning."""
        line, self._line = self._line, None
        if line is None or line.is_closing():
            return
        self._entrance.heartbeats.remove(self)
        http = self._server()
        line.set_protocol(http)
        http.connection_made(line)
        if self._head:
            http.data_received(self._head)
