"""An HTTP/1.1 client for many people on one core: requests are bytes, failures are values.

Connections are kept per server and lent to one request at a time; there is no bound on them, since
everybody who waits has one. A request is answered by a future that never fails: status 0 says that
the connection broke, could not be made, or took too long.

Always true: a connection is lent again only after a whole answer. Who cancels the future no longer
waits; the answer is still read, so that the connection stays good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self, cast
from urllib.parse import urlsplit

import msgspec

from hodhod_loadtest.http.deadlines import Deadlines
from hodhod_loadtest.http.messages import HttpError, Message, MessageReader

ANSWER_S: Final = 40.0
IDLE_S: Final = 30.0
"""So long an unused connection is kept: shorter than servers do, which might close it meanwhile."""

NO_ANSWER: Final = Message(b"HTTP/1.1 000 no answer", b"", is_last=True)


class Client:
    """All servers that somebody talks to."""

    def __init__(self) -> None:
        self._tasks = asyncio.TaskGroup()
        self._deadlines = Deadlines[_Connection](_Connection.give_up)
        self._peers: dict[tuple[str, int], Peer] = {}

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._deadlines.stop()
        for peer in self._peers.values():
            peer.close()
        # Without the error: it is the caller's, and no group of errors to them.
        await self._tasks.__aexit__(None, None, None)

    def peer(self, url: str) -> Peer:
        """The server at an address `http://host:port`. Raises `ValueError` for any other kind."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("only plain http:// is spoken")
        address = (parts.hostname, parts.port or 80)
        if address not in self._peers:
            self._peers[address] = Peer(address, self._tasks, self._deadlines)
        return self._peers[address]

    async def get_json(self, url: str) -> Any:
        """A document. Raises `ConnectionError` where there is none."""
        peer = self.peer(url)
        path = urlsplit(url).path or "/"
        answer = await peer.ask(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path.encode(), peer.host))
        if answer.status != 200:
            raise ConnectionError(f"{url} was answered with {answer.status}")
        return msgspec.json.decode(answer.body)


class Peer:
    """One server, and the connections to it."""

    def __init__(
        self,
        address: tuple[str, int],
        tasks: asyncio.TaskGroup,
        deadlines: Deadlines[_Connection],
    ) -> None:
        self.address = address
        self.host = b"%b:%d" % (address[0].encode(), address[1])
        """For the header of that name."""

        self.connected = 0
        """Connections made so far."""

        self._tasks = tasks
        self._deadlines = deadlines
        self._idle: dict[_Connection, None] = {}  # in order of their return; the last is lent first
        self._open: set[_Connection] = set()
        self._loop = asyncio.get_running_loop()

    def ask(self, request: bytes, within_s: float = ANSWER_S) -> asyncio.Future[Message]:
        """Send a whole request; its answer, or `NO_ANSWER`."""
        answer: asyncio.Future[Message] = self._loop.create_future()
        if self._idle:
            connection, _ = self._idle.popitem()
            connection.send(request, answer, within_s)
            if self._idle:
                self._close_stale()
        else:
            connection = _Connection(self, self._deadlines)
            self._open.add(connection)
            connection.send(request, answer, within_s)
            connection.connecting = self._tasks.create_task(self._connect(connection))
        return answer

    def close(self) -> None:
        """End all connections; whoever waits has no answer."""
        for connection in list(self._open):
            connection.give_up()

    def take_back(self, connection: _Connection) -> None:
        """It may be lent again."""
        self._idle[connection] = None

    def forget(self, connection: _Connection) -> None:
        """It has ended."""
        self._open.discard(connection)
        self._idle.pop(connection, None)

    async def _connect(self, connection: _Connection) -> None:
        try:
            await self._loop.create_connection(lambda: connection, *self.address)
            self.connected += 1
        except OSError:
            connection.connecting = None
            connection.give_up()
        connection.connecting = None

    def _close_stale(self) -> None:
        oldest = next(iter(self._idle))
        if oldest.idle_since_s < time.monotonic() - IDLE_S:
            oldest.give_up()


class _Connection(asyncio.Protocol):
    """One socket and the request it is lent to."""

    __slots__ = (
        "_answer",
        "_deadlines",
        "_is_over",
        "_peer",
        "_reader",
        "_request",
        "_tick",
        "_transport",
        "connecting",
        "idle_since_s",
    )

    def __init__(self, peer: Peer, deadlines: Deadlines[_Connection]) -> None:
        self.connecting: asyncio.Task[None] | None = None
        self.idle_since_s = 0.0
        self._peer = peer
        self._deadlines = deadlines
        self._reader = MessageReader(is_of_server=True)
        self._transport: asyncio.Transport | None = None
        self._request: bytes | None = None  # until there is a transport
        self._answer: asyncio.Future[Message] | None = None
        self._tick = 0
        self._is_over = False

    def send(self, request: bytes, answer: asyncio.Future[Message], within_s: float) -> None:
        """Lend it."""
        self._answer = answer
        self._tick = self._deadlines.add(self, within_s)
        if self._transport is None:
            self._request = request
        else:
            self._transport.write(request)

    def give_up(self) -> None:
        """End it; whoever waits has no answer."""
        self._end(NO_ANSWER)

    # --- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self._is_over:
            self._transport.abort()
        elif self._request is not None:
            self._transport.write(self._request)
            self._request = None

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
            if messages:
                self._take(messages)
        except HttpError:
            self.give_up()

    def connection_lost(self, error: Exception | None) -> None:
        try:
            message = None if self._answer is None else self._reader.end()
        except HttpError:
            message = None
        self._end(message or NO_ANSWER)
        self._transport = None

    # --- inside ----------------------------------------------------------------------------------

    def _take(self, messages: Sequence[Message]) -> None:
        if self._answer is None or len(messages) > 1:
            raise HttpError("an answer that nobody asked for")
        [message] = messages
        if message.is_last:
            self._end(message)
            return
        answer, self._answer = self._answer, None
        self._deadlines.remove(self, self._tick)
        self.idle_since_s = time.monotonic()
        self._peer.take_back(self)
        if not answer.done():
            answer.set_result(message)

    def _end(self, message: Message) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._peer.forget(self)
        if self._transport is not None:
            self._transport.abort()
        elif self.connecting is not None:
            self.connecting.cancel()
        if self._answer is not None:
            self._deadlines.remove(self, self._tick)
            if not self._answer.done():
                self._answer.set_result(message)
