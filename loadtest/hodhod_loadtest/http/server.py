"""An HTTP/1.1 server for simulations: a handler is a plain function that answers at once, or later.

Always true: on a connection, requests are answered in their order, one at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl

import msgspec

from hodhod_loadtest.http.messages import HttpError, Message, MessageReader

BACKLOG: Final = 4096
WAITING_MAX: Final = 16
"""Requests that a client may send ahead on one connection."""

_FORM: Final = "application/x-www-form-urlencoded"
_HEADS: Final = {
    status.value: b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: "
    % (status.value, status.phrase.encode())
    for status in HTTPStatus
}


class Request:
    """One request; only what a handler asks for is read."""

    __slots__ = ("_message", "_query", "method", "path")

    def __init__(self, message: Message) -> None:
        words = message.head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3:
            raise HttpError("no request line")
        self._message = message
        self.method = words[0]
        self.path, _, self._query = words[1].partition("?")

    @property
    def body(self) -> bytes:
        return self._message.body

    @property
    def query(self) -> dict[str, str]:
        """The fields after the question mark; of equal ones, the last."""
        return dict(parse_qsl(self._query, keep_blank_values=True))

    @property
    def fields(self) -> dict[str, str]:
        """Those of the query, and of a form."""
        told = self.query
        if (self.header("content-type") or "").startswith(_FORM):
            told.update(parse_qsl(self.body.decode(), keep_blank_values=True))
        return told

    @property
    def json(self) -> Any:
        """The body. Raises `ValueError`."""
        return msgspec.json.decode(self.body)

    def header(self, name: str) -> str | None:
        """The header with this name, which is given in small letters."""
        return self._message.header(name.encode())


class Reply(NamedTuple):
    """A status and a body in JSON."""

    status: int
    body: bytes
    after_s: float = 0.0
    """So long it is held back."""


Handler = Callable[[Request], Reply | asyncio.Future[Reply]]
"""A future is a reply that nobody knows yet."""


def json_reply(status: int, told: object, after_s: float = 0.0) -> Reply:
    """An answer in JSON."""
    return Reply(status, msgspec.json.encode(told), after_s)


class Connection(asyncio.Protocol):
    """One client. What breaks while a request is read or handled is told to the loop, as a 500."""

    __slots__ = ("_answering", "_handler", "_loop", "_open", "_reader", "_transport", "_waiting")

    def __init__(self, handler: Handler, opened: set[Connection]) -> None:
        self._handler = handler
        self._open = opened
        self._loop = asyncio.get_running_loop()
        self._reader = MessageReader(is_of_server=False)
        self._transport: asyncio.Transport | None = None
        self._answering: Message | None = None
        self._waiting: deque[Message] | None = None

    def abort(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._open.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except HttpError:
            self.abort()
            return
        for message in messages:
            if self._answering is None:
                self._answer(message)
            else:
                self._let_wait(message)

    # --- inside ----------------------------------------------------------------------------------

    def _let_wait(self, message: Message) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(message)
        if len(self._waiting) > WAITING_MAX:
            self.abort()

    def _answer(self, message: Message) -> None:
        self._answering = message
        try:
            reply = self._handler(Request(message))
        except (HttpError, ValueError, LookupError, TypeError) as error:
            self._loop.call_exception_handler({"message": "a handler failed", "exception": error})
            reply = Reply(500, b"{}")
        if isinstance(reply, Reply):
            self._give_in_time(reply)
        else:
            reply.add_done_callback(self._give_known)

    def _give_known(self, known: asyncio.Future[Reply]) -> None:
        if known.cancelled():
            self.abort()
        else:
            self._give_in_time(known.result())

    def _give_in_time(self, reply: Reply) -> None:
        if reply.after_s:
            self._loop.call_later(reply.after_s, self._give, reply)
        else:
            self._give(reply)

    def _give(self, reply: Reply) -> None:
        message, self._answering = self._answering, None
        if self._transport is None or message is None:
            return
        self._transport.write(
            b"%b%d\r\n\r\n%b" % (_HEADS[reply.status], len(reply.body), reply.body)
        )
        if message.is_last:
            self._transport.close()
        elif self._waiting:
            self._answer(self._waiting.popleft())


@contextlib.asynccontextmanager
async def serve(handler: Handler, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Listen, on a free port unless one is named; yields the port."""
    opened: set[Connection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(handler, opened), host, port, backlog=BACKLOG
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(opened):
            connection.abort()
        await server.wait_closed()
