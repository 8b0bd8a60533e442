"""The way in, byte by byte: whatever way an upgrade comes, and whatever comes beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any, Final

import msgpack
import pytest

from hodhod_server.settings import GatewaySettings, Settings
from tests.gateway.conftest import Gateway
from tests.people import People, Person

# The key and its answer of RFC 6455 section 1.3.
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT: Final = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GENTLE_S: Final = 5.0


class Raw:
    """A client that writes bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def head(self) -> str:
        async with asyncio.timeout(GENTLE_S):
            return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def body(self, head: str) -> bytes:
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        return await self._reader.readexactly(length)

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(GENTLE_S):
            first, length = await self._reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self._reader.readexactly(2))
            return first & 0x0F, await self._reader.readexactly(length)

    async def reply(self) -> dict[str, Any]:
        opcode, payload = await self.frame()
        assert opcode == BINARY
        answer: dict[str, Any] = msgpack.unpackb(payload)
        return answer

    async def is_closed(self) -> bool:
        async with asyncio.timeout(GENTLE_S):
            return await self._reader.read(1) == b""


@contextlib.asynccontextmanager
async def connected(base: str) -> AsyncIterator[Raw]:
    host, _, port = base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


def upgrade(person: Person | None, *more: str, path: str = "/v1/ws") -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: hodhod.test",
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *more,
    ]
    if person is not None:
        lines.append(f"Authorization: Bearer {person.token}")
    return "\r\n".join([*lines, "", ""]).encode()


def message(opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([opcode | (0x80 if is_last else 0), 0x80 | len(payload)]) + mask + masked


def hello(ref: int = 1) -> bytes:
    frame: bytes = msgpack.packb({"t": "hello", "ref": ref})
    return frame


async def test_a_request_that_comes_in_pieces_is_answered_as_the_standard_says(
    base: str, people: People
) -> None:
    async with connected(base) as client:
        for byte in upgrade(await people.new(), "Sec-WebSocket-Protocol: x, hodhod.v1.msgpack"):
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        head = await client.head()
        assert head.startswith("HTTP/1.1 101 ")
        assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n" in head
        assert "Sec-WebSocket-Protocol: hodhod.v1.msgpack\r\n" in head
        client.writer.write(message(BINARY, hello()))
        assert (await client.reply())["t"] == "welcome"


async def test_who_offers_no_subprotocol_is_told_none(base: str, people: People) -> None:
    async with connected(base) as client:
        client.writer.write(upgrade(await people.new()))
        assert "Sec-WebSocket-Protocol" not in await client.head()


@pytest.mark.parametrize("path", ["/v1/ws", "/v1/ws?x=1"])
async def test_an_upgrade_on_a_connection_that_spoke_http_before_is_taken_over(
    base: str, people: People, path: str
) -> None:
    async with connected(base) as client:
        client.writer.write(b"GET /live HTTP/1.1\r\nHost: hodhod.test\r\n\r\n")
        assert b"true" in await client.body(await client.head())
        client.writer.write(upgrade(None))
        client.writer.write(message(BINARY, hello()))  # too early, and yet in order
        assert (await client.head()).startswith("HTTP/1.1 101 ")
        assert (await client.reply())["code"] == "unauthenticated"
    async with connected(base) as client:
        client.writer.write(upgrade(await people.new(), path=path))
        assert (await client.head()).startswith("HTTP/1.1 101 ")
        client.writer.write(message(BINARY, hello()))
        assert (await client.reply())["t"] == "welcome"
        client.writer.write(message(CLOSE, (1000).to_bytes(2)))
        assert await client.frame() == (CLOSE, (1000).to_bytes(2))
        assert await client.is_closed()


async def test_what_is_sent_behind_the_request_or_in_one_go_is_taken_in_order(
    base: str, people: People
) -> None:
    requests = [{"t": "ping", "ref": ref} for ref in range(2, 5)]
    behind = b"".join(message(BINARY, msgpack.packb(request)) for request in requests)
    async with connected(base) as client:
        goodbye = message(CLOSE, b"")
        client.writer.write(
            upgrade(await people.new()) + message(BINARY, hello()) + behind + goodbye
        )
        assert (await client.head()).startswith("HTTP/1.1 101 ")
        assert (await client.reply())["t"] == "welcome"
        assert (await client.frame())[0] in (BINARY, CLOSE)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Key: short"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12"),
        ("Upgrade: WebSocket", "Upgrade: h2c"),
        ("Connection: keep-alive, Upgrade", "Connection: keep-alive"),
        (f"Sec-WebSocket-Key: {KEY}", f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: x"),
    ],
)
async def test_a_request_that_asks_for_no_socket_gets_a_problem(
    base: str, people: People, line: str, instead: str
) -> None:
    async with connected(base) as client:
        wrong = upgrade(await people.new()).replace(line.encode(), instead.encode())
        client.writer.write(wrong)
        head = await client.head()
        assert head.startswith("HTTP/1.1 400 ")
        assert b"urn:hodhod:error:malformed" in await client.body(head)


async def test_a_wrong_token_is_refused_while_http_can_say_so(base: str, people: People) -> None:
    async with connected(base) as client:
        client.writer.write(upgrade(None, "Authorization: Bearer wrong"))
        head = await client.head()
        assert head.startswith("HTTP/1.1 401 ")
        assert "WWW-Authenticate: Bearer" in head


async def test_pieces_pings_and_faults_are_what_the_standard_says(
    base: str, people: People
) -> None:
    async with connected(base) as client:
        client.writer.write(upgrade(await people.new()))
        await client.head()
        said = hello()
        client.writer.write(message(BINARY, said[:3], is_last=False))
        client.writer.write(message(PING, b"between"))
        client.writer.write(message(0, said[3:]))
        assert await client.frame() == (PONG, b"between")
        assert (await client.reply())["t"] == "welcome"
        client.writer.write(message(PING, b"") + message(PONG, b"unasked"))
        assert await client.frame() == (PONG, b"")
        client.writer.write(message(3, b""))
        assert await client.frame() == (CLOSE, (1002).to_bytes(2))
        assert await client.is_closed()


async def test_who_is_silent_is_pinged_and_who_stays_silent_is_gone(
    gateway: Gateway, people: People, settings: Settings
) -> None:
    quick = settings.model_copy(update={"gateway": GatewaySettings(heartbeat_s=0.3)})
    loop = asyncio.get_running_loop()
    async with gateway(quick) as base, connected(base) as client:
        client.writer.write(upgrade(await people.new()))
        await client.head()
        client.writer.write(message(BINARY, hello()))
        assert (await client.reply())["t"] == "welcome"
        for _ in range(3):
            assert await client.frame() == (PING, b"")
            client.writer.write(message(PONG, b""))
        heard = loop.time()
        assert await client.frame() == (PING, b"")
        with contextlib.suppress(ConnectionError):
            assert await client.is_closed()
        assert 0.4 < loop.time() - heard < 1.5


async def test_a_goodbye_that_is_not_answered_is_followed_by_the_end(
    gateway: Gateway, people: People, settings: Settings
) -> None:
    impatient = settings.model_copy(update={"gateway": GatewaySettings(hello_timeout_s=0.1)})
    async with gateway(impatient) as base, connected(base) as client:
        client.writer.write(upgrade(await people.new()))
        await client.head()
        assert await client.frame() == (CLOSE, (4002).to_bytes(2))
        client.writer.write(message(BINARY, hello()))
        with contextlib.suppress(ConnectionError):
            assert await client.is_closed()


async def test_half_a_request_and_silence_are_left_to_http(
    gateway: Gateway, people: People, settings: Settings
) -> None:
    quick = settings.model_copy(update={"gateway": GatewaySettings(heartbeat_s=0.2)})
    async with gateway(quick) as base, connected(base) as client:
        request = upgrade(await people.new())
        client.writer.write(request[:60])
        await asyncio.sleep(0.4)
        client.writer.write(request[60:])
        assert (await client.head()).startswith("HTTP/1.1 101 ")
        client.writer.write(message(BINARY, hello()))
        assert (await client.reply())["t"] == "welcome"
