"""One WebSocket as frames: what arrives is decoded, what ends it is told as a close code."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp

from hodhod._addresses import AddressBook
from hodhod._errors import ConnectionLost, HodhodError, ServerNotUnderstood
from hodhod._http import lost_connections, seconds
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import MSGPACK, InvalidFrame
from hodhod_wire.errors import ErrorCode
from hodhod_wire.frames import Error, Hello, Request, ServerFrame, Welcome

HEARTBEAT_S: Final = 25.0  # mobile NATs forget a silent connection in 60 s
CONNECT_S: Final = 15.0
CLOSE_S: Final = 2.0
MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024  # a page of 200 texts of full length, several times
FAILURES_UNTIL_ASKING: Final = 3
NOT_HERE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Ended(Exception):
    """The connection is over. `code` is `None` where it broke without a word.

    The server may have said how long to stay away, or over how long to spread the return.
    """

    def __init__(
        self, code: int | None, retry_after_s: float | None = None, within_s: float = 0.0
    ) -> None:
        super().__init__(f"connection ended with {code}")
        self.code = code
        self.retry_after_s = retry_after_s
        self.within_s = within_s


class Connection(Protocol):
    """What the line needs of a connection."""

    @property
    def reconnect_within_s(self) -> float:
        """What the welcome said: over how long to spread the return, should the server vanish."""
        ...

    async def send(self, frame: Request) -> None:
        """Raises `Ended`."""
        ...

    async def receive(self) -> ServerFrame:
        """The next frame of a kind that is known. Raises `Ended`."""
        ...

    async def close(self) -> None:
        """End it politely, within two seconds."""
        ...


Dial = Callable[[str], Awaitable[Connection]]


class WebSocket:
    """A connection over aiohttp."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.reconnect_within_s = 0.0

    async def send(self, frame: Request) -> None:
        try:
            await self._socket.send_bytes(MSGPACK.encode(frame))
        except (ConnectionError, aiohttp.ClientError):
            raise Ended(self._socket.close_code) from None

    async def receive(self) -> ServerFrame:
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                raise Ended(self._socket.close_code)
            # A frame of a later version is skipped, as the contract asks.
            with contextlib.suppress(InvalidFrame):
                return MSGPACK.decode_server(message.data)

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError, aiohttp.ClientError):
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close()


class Dialer:
    """Opens connections; after several failures, or a clear word, asks where the gateway is."""

    def __init__(self, session: aiohttp.ClientSession, addresses: AddressBook, agent: str) -> None:
        self._session = session
        self._addresses = addresses
        self._agent = agent
        self._failures = 0

    async def __call__(self, token: str) -> Connection:
        """A connection on which the server said welcome. Raises `Ended`, `ConnectionLost`."""
        if self._failures >= FAILURES_UNTIL_ASKING:
            self._failures = 0
            with contextlib.suppress(HodhodError):
                await self._addresses.ask()
        self._failures += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._open(token)
                await greet(connection, self._agent)
        except TimeoutError:
            raise ConnectionLost(f"no connection within {CONNECT_S:g} s") from None
        self._failures = 0
        return connection

    async def _open(self, token: str) -> WebSocket:
        try:
            with lost_connections():
                socket = await self._session.ws_connect(
                    self._addresses.current.ws,
                    protocols=(MSGPACK.subprotocol,),
                    headers={"Authorization": f"Bearer {token}"},
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES_MAX,
                )
        except ConnectionLost as error:
            answer = error.__cause__
            if isinstance(answer, aiohttp.WSServerHandshakeError):
                self._failures += FAILURES_UNTIL_ASKING * (answer.status in NOT_HERE)
                raise _what_was_answered(answer) from error
            raise
        return WebSocket(socket)


class NewConnection(Connection, Protocol):
    """A connection that has not said hello."""

    reconnect_within_s: float


async def greet(connection: NewConnection, agent: str) -> None:
    """Say hello and hear the welcome. Raises `Ended`, `ServerNotUnderstood`."""
    answered = False
    try:
        await connection.send(Hello(ref=1, agent=agent))
        match await connection.receive():
            case Welcome() as welcome:
                answered = True
                connection.reconnect_within_s = welcome.reconnect_within_ms / 1000
            case Error(code=code) as error:
                is_token = code == ErrorCode.UNAUTHENTICATED
                raise Ended(CloseCode.TOKEN_REJECTED if is_token else None, error.retry_after)
            case _:
                raise ServerNotUnderstood("the first frame of the server is no welcome")
    finally:
        if not answered:
            await connection.close()


def _what_was_answered(answer: aiohttp.WSServerHandshakeError) -> Ended:
    """A refused upgrade says as much as a close code."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return Ended(CloseCode.TOKEN_REJECTED)
    headers = answer.headers
    return Ended(None, None if headers is None else seconds(headers.get("Retry-After")))
