"""The generator's own HTTP: any slices give the same messages, and others understand it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

import aiohttp
import pytest
import uvloop
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from hodhod_loadtest.http.client import NO_ANSWER, Client
from hodhod_loadtest.http.messages import HttpError, Message, MessageReader
from hodhod_loadtest.http.routes import Route, Routes
from hodhod_loadtest.http.server import Reply, Request, json_reply, serve

CUTS = st.lists(st.integers(1, 40), max_size=60)
BODIES = st.binary(max_size=200)


def _sliced(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    slices, at = [], 0
    for size in cuts:
        slices.append(data[at : at + size])
        at += size
    return [part for part in (*slices, data[at:]) if part]


def _by_length(body: bytes, name: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%b: %d\r\nX-Other: 1\r\n\r\n%b" % (name, len(body), body)


def _in_chunks(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%X;note=1\r\n%b\r\n" % (len(part), part) for part in parts)
    head = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: Chunked\r\n\r\n"
    return head + chunks + b"0\r\nX-Trailer: 1\r\n\r\n"


@st.composite
def _responses(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """Bytes, and the status and the body that they say."""
    body = draw(BODIES)
    kind = draw(st.sampled_from(["length", "chunks", "none"]))
    if kind == "length":
        name = draw(st.sampled_from([b"Content-Length", b"content-length"]))
        return _by_length(body, name), 200, body
    if kind == "chunks":
        return _in_chunks(body, draw(st.integers(1, 50))), 201, body
    return b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""


@given(st.lists(_responses(), min_size=1, max_size=4), CUTS)
def test_responses_come_out_whole_however_they_are_sliced(
    responses: list[tuple[bytes, int, bytes]], cuts: list[int]
) -> None:
    reader = MessageReader(is_of_server=True)
    data = b"".join(item[0] for item in responses)
    messages = [message for part in _sliced(data, cuts) for message in reader.feed(part)]
    assert [(message.status, message.body) for message in messages] == [
        (status, body) for _, status, body in responses
    ]
    assert reader.is_idle
    assert reader.end() is None


@given(BODIES, CUTS)
def test_a_body_without_a_length_lasts_until_the_connection_ends(
    body: bytes, cuts: list[int]
) -> None:
    reader = MessageReader(is_of_server=True)
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nDate: x\r\n\r\n" + body
    assert not any(reader.feed(part) for part in _sliced(data, cuts))
    message = reader.end()
    assert message is not None
    assert (message.status, message.body, message.is_last) == (200, body, True)
    assert message.header(b"date") == "x"


@given(st.lists(st.tuples(st.sampled_from(["GET", "POST"]), BODIES), max_size=4), CUTS)
def test_requests_come_out_whole_however_they_are_sliced(
    requests: list[tuple[str, bytes]], cuts: list[int]
) -> None:
    data = b"".join(
        b"%b /a?b=%%31 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
        % (method.encode(), len(body), body)
        for method, body in requests
    )
    reader = MessageReader(is_of_server=False)
    messages = [message for part in _sliced(data, cuts) for message in reader.feed(part)]
    seen = [Request(message) for message in messages]
    assert [(request.method, request.body) for request in seen] == requests
    assert all((item.path, item.query) == ("/a", {"b": "1"}) for item in seen)


@given(st.binary(max_size=300), CUTS, st.booleans())
def test_whatever_comes_is_read_or_refused(data: bytes, cuts: list[int], is_server: bool) -> None:
    reader = MessageReader(is_of_server=is_server)
    with contextlib.suppress(HttpError):
        for part in _sliced(b"HTTP/1.1 200 OK\r\n" + data, cuts):
            assert all(isinstance(message, Message) for message in reader.feed(part))
        reader.end()


@pytest.mark.parametrize(
    "data",
    [
        b"SMTP 200\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
    ],
)
def test_what_cannot_be_framed_is_refused(data: bytes) -> None:
    with pytest.raises(HttpError):
        MessageReader(is_of_server=True).feed(data)


# --- client --------------------------------------------------------------------------------------


def _get(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()


@contextlib.asynccontextmanager
async def _others_server() -> AsyncIterator[str]:
    """A server that is not ours, with every kind of answer."""

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for part in (b"one ", b"two"):
            await response.write(part)
        return response

    async def closing(_: web.Request) -> web.Response:
        response = web.Response(text="bye")
        response.force_close()
        return response

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    async def vanish(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    handlers = {"chunked": chunked, "closing": closing, "never": never, "vanish": vanish}
    for name, handler in handlers.items():
        app.router.add_get(f"/{name}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_client_understands_another_server_and_keeps_its_connection() -> None:
    async with _others_server() as url, Client() as client:
        peer = client.peer(url)
        for _ in range(3):
            answer = await peer.ask(_get("/chunked"))
            assert (answer.status, answer.body) == (200, b"one two")
        assert peer.connected == 1
        for _ in range(2):
            assert (await peer.ask(_get("/closing"))).body == b"bye"
        assert peer.connected == 2, "one that was closed is not lent again"
        assert (await peer.ask(_get("/missing"))).status == 404


async def test_what_fails_is_a_value() -> None:
    async with _others_server() as url, Client() as client:
        peer = client.peer(url)
        assert await peer.ask(_get("/vanish")) == NO_ANSWER
        assert await peer.ask(_get("/never"), within_s=0.05) == NO_ANSWER
        left = peer.ask(_get("/never"))
        await asyncio.sleep(0.01)
    assert (await left).status == 0, "a client that is closed leaves nobody waiting"
    async with Client() as client:
        assert await client.peer(url).ask(_get("/")) == NO_ANSWER, "nobody listens there"
        with pytest.raises(ConnectionError):
            await client.get_json(url)
        with pytest.raises(ValueError, match="plain"):
            client.peer("https://example.org")


async def test_a_connection_that_is_never_made_holds_nobody() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with Client() as client:
            peer = client.peer(url)
            asked = [peer.ask(_get("/"), within_s=0.1) for _ in range(8)]
            assert [(await answer).status for answer in asked] == [0] * 8
            left = peer.ask(_get("/"))
        assert (await left).status == 0


async def test_who_cancels_does_not_spoil_the_connection_for_others() -> None:
    held: list[asyncio.Future[Reply]] = []

    def hold(_: Request) -> asyncio.Future[Reply]:
        held.append(asyncio.get_running_loop().create_future())
        return held[-1]

    routes = Routes([Route("GET", "/held", hold), Route("GET", "/", lambda _: json_reply(200, 1))])
    async with serve(routes) as port, Client() as client:
        peer = client.peer(f"http://127.0.0.1:{port}")
        given_up = peer.ask(_get("/held"))
        assert (await peer.ask(_get("/"))).body == b"1"
        given_up.cancel()
        held[0].set_result(json_reply(200, "late"))
        assert (await peer.ask(_get("/"))).body == b"1"
        for _ in range(20):
            first, second = peer.ask(_get("/")), peer.ask(_get("/"))
            assert ((await first).body, (await second).body) == (b"1", b"1")
        assert peer.connected == 2


# --- server --------------------------------------------------------------------------------------


async def test_others_understand_the_server() -> None:
    def echo(request: Request) -> Reply:
        told = {"way": request.path.split("/")[2], "fields": request.fields}
        return json_reply(201, told, after_s=0.01)

    def broken(_: Request) -> Reply:
        raise ValueError

    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: said.append(told["message"]))
    routes = Routes([Route("*", "/a/*/c", echo), Route("POST", "/broken", broken)])
    async with serve(routes) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        async with http.post("/a/b/c?x=1", data={"y": "سلام"}) as response:
            assert response.status == 201
            assert await response.json() == {"way": "b", "fields": {"x": "1", "y": "سلام"}}
        for path, status in (("/nowhere", 404), ("/broken", 405)):
            async with http.get(path) as response:
                assert response.status == status
        async with http.post("/broken") as response:
            assert response.status == 500
    assert said == ["a handler failed"]


async def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    def answer(request: Request) -> Reply:
        return json_reply(200, request.path, after_s=0.02 if request.path == "/1" else 0.0)

    async with serve(answer) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_get("/1") + _get("/2") + _get("/3")[:-2] + b"Connection: close\r\n\r\n")
        told = MessageReader(is_of_server=True).feed(await reader.read())
        assert [message.body for message in told] == [b'"/1"', b'"/2"', b'"/3"']
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "scenario",
    [
        test_a_client_understands_another_server_and_keeps_its_connection,
        test_what_fails_is_a_value,
        test_a_connection_that_is_never_made_holds_nobody,
        test_who_cancels_does_not_spoil_the_connection_for_others,
        test_others_understand_the_server,
        test_requests_sent_ahead_are_answered_in_their_order,
    ],
)
def test_all_of_it_holds_on_the_loop_of_a_generator(
    scenario: Callable[[], Coroutine[None, None, None]],
) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
