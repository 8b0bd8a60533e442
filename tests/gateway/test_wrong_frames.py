"""Wrong input over the socket: the documented error, a connection that lives, a quiet log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgpack
import pytest

from hodhod_server.settings import GatewaySettings, Settings
from tests.clock import FakeClock
from tests.gateway.conftest import Gateway
from tests.people import People
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]
TOO_LONG = "x" * 4097
MEDIA = "A" * 22

MALFORMED: list[dict[str, Any]] = [
    {"t": "nonsense"},
    {"t": 5},
    {},
    {"t": "send"},
    {"t": "send", "chat": "1", "client_id": 1, "body": {"t": "text", "text": "x"}},
    {"t": "send", "chat": 0, "client_id": 1, "body": {"t": "text", "text": "x"}},
    {"t": "send", "chat": 2**53, "client_id": 1, "body": {"t": "text", "text": "x"}},
    {"t": "send", "chat": 1, "client_id": -1, "body": {"t": "text", "text": "x"}},
    {"t": "send", "chat": 1, "client_id": 1, "body": {"t": "poem", "text": "x"}},
    {"t": "send", "chat": 1, "client_id": 1, "body": {"t": "text", "text": ""}},
    {"t": "send", "chat": 1, "client_id": 1, "body": {"t": "text", "text": TOO_LONG}},
    {"t": "send", "chat": 1, "client_id": 1, "body": {"t": "file", "media": "../x"}},
    {"t": "sync", "positions": [{"chat": 1}]},
    {"t": "sync", "positions": [{"chat": 1, "seq": 0}] * 1001},
    {"t": "history", "chat": 1, "limit": 0},
    {"t": "history", "chat": 1, "limit": 201},
    {"t": "read", "chat": 1, "seq": -1},
    {"t": "open_chat", "phone": "0" * 33},
    {"t": "hello", "token": "x" * 1025},
]


@pytest.mark.parametrize("subprotocol", ["hodhod.v1.msgpack", "hodhod.v1.json"])
async def test_a_malformed_frame_is_refused_with_its_ref(
    base: str, people: People, connect: Connect, subprotocol: str
) -> None:
    client = await connect(base, (await people.new()).token, subprotocol=subprotocol)
    for number, frame in enumerate(MALFORMED, start=500):
        await client.tell(ref=number, **frame)
        error = await client.reply(number)
        assert (error["t"], error["code"]) == ("error", "malformed"), frame
        assert set(error["titles"]) == {"en", "fa"}
    assert (await client.ask("ping"))["t"] == "ok"


async def test_bytes_that_are_no_frame_are_refused_with_ref_zero(
    base: str, people: People, connect: Connect
) -> None:
    client = await connect(base, (await people.new()).token)
    for data in (b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x00" * 1000, b"\x91" * 10_000):
        await client.socket.send_bytes(data)
        error = await client.reply(0)
        assert (error["t"], error["code"]) == ("error", "malformed")
    await client.socket.send_str("{}")
    assert (await client.reply(0))["code"] == "malformed"
    assert (await client.ask("ping"))["t"] == "ok"


async def test_a_frame_over_the_limit_is_refused_by_name(
    base: str, people: People, connect: Connect
) -> None:
    client = await connect(base, (await people.new()).token)
    await client.socket.send_bytes(msgpack.packb({"t": "ping", "x": "y" * 70_000}))
    assert (await client.reply(0))["code"] == "too_large"
    assert (await client.ask("ping"))["t"] == "ok"


async def test_a_huge_frame_ends_the_connection_and_nothing_else(
    base: str, people: People, connect: Connect
) -> None:
    sara = await people.new()
    client = await connect(base, sara.token)
    await client.socket.send_bytes(b"x" * 1_100_000)
    with pytest.raises(ConnectionError, match="1009"):
        await client.receive()
    again = await connect(base, sara.token)
    assert (await again.ask("ping"))["t"] == "ok"


async def test_what_is_not_the_callers_is_not_found(
    base: str, people: People, connect: Connect
) -> None:
    sara, reza, ali = await people.new(), await people.new(), await people.new()
    hers, stranger = await connect(base, sara.token), await connect(base, ali.token)
    chat = await hers.open_chat(reza.user)
    await hers.send_text(chat, "راز")
    for foreign in (chat, 999_999):
        answers = [
            await stranger.send_text(foreign, "x"),
            await stranger.ask("history", chat=foreign),
            await stranger.ask("get_chat", chat=foreign),
            await stranger.ask("delivered", chat=foreign, seq=1),
            await stranger.ask("read", chat=foreign, seq=1),
            await stranger.ask("typing", chat=foreign),
            await stranger.ask("media_link", chat=foreign, seq=1),
        ]
        assert [answer["code"] for answer in answers] == ["chat_not_found"] * 7
    synced = await stranger.ask("sync", positions=[{"chat": chat, "seq": 0}])
    assert synced["chats"] == []


async def test_requests_that_make_no_sense_are_named(
    base: str, people: People, connect: Connect
) -> None:
    sara = await people.new()
    client = await connect(base, sara.token)
    chat = await client.open_chat(sara.user)
    await client.send_text(chat, "x")
    body = {"t": "file", "media": MEDIA, "name": "x", "size": 1}
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("hello", {}, "wrong_state"),
        ("history", {"chat": chat, "before": 5, "after": 1}, "malformed"),
        ("open_chat", {}, "malformed"),
        ("open_chat", {"user": 1, "phone": "09120000000"}, "malformed"),
        ("open_chat", {"user": 999_999}, "user_not_found"),
        ("open_chat", {"phone": "09129999999"}, "user_not_found"),
        ("open_chat", {"phone": "12"}, "phone_invalid"),
        ("send", {"chat": chat, "client_id": 9, "body": body}, "media_not_found"),
        (
            "send",
            {"chat": chat, "client_id": 9, "body": {"t": "text", "text": "   "}},
            "malformed",
        ),
        ("media_link", {"chat": chat, "seq": 1}, "message_not_found"),
        ("media_link", {"chat": chat, "seq": 99}, "message_not_found"),
    ]
    for tag, members, code in wrong:
        assert (await client.ask(tag, **members)).get("code") == code, (tag, members)
    assert (await client.ask("ping"))["t"] == "ok"


@pytest.mark.parametrize("token", ["", "x", "a.b", "....", "é", "A" * 300])
async def test_a_wrong_token_is_refused_in_header_and_frame(
    base: str, connect: Connect, token: str
) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get(f"{base}/v1/ws", headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["code"] == "unauthenticated"
    client = await connect(base, None, hello="none")
    assert (await client.ask("hello", token=token))["code"] == "unauthenticated"
    with pytest.raises(ConnectionError, match="4400"):
        await client.receive()


async def test_an_expired_token_is_refused(
    base: str, people: People, connect: Connect, clock: FakeClock
) -> None:
    sara = await people.new()
    clock.advance(901)
    client = await connect(base, None, hello="none")
    assert (await client.ask("hello", token=sara.token))["code"] == "unauthenticated"


async def test_nothing_is_accepted_before_hello(
    base: str, people: People, connect: Connect
) -> None:
    sara = await people.new()
    client = await connect(base, None, hello="none")
    assert (await client.ask("sync"))["code"] == "wrong_state"
    assert (await client.ask("hello", token=sara.token))["t"] == "welcome"


async def test_who_never_says_hello_is_let_go(
    gateway: Gateway, connect: Connect, settings: Settings
) -> None:
    hasty = settings.model_copy(update={"gateway": GatewaySettings(hello_timeout_s=0.1)})
    async with gateway(hasty) as base:
        client = await connect(base, None, hello="none")
        with pytest.raises(ConnectionError, match="4002"):
            await client.receive()


async def test_who_does_nothing_but_err_is_let_go(
    gateway: Gateway, connect: Connect, people: People, settings: Settings
) -> None:
    strict = settings.model_copy(update={"gateway": GatewaySettings(errors_max=5)})
    async with gateway(strict) as base:
        client = await connect(base, (await people.new()).token)
        for _ in range(5):
            assert (await client.ask("nonsense"))["code"] == "malformed"
        with pytest.raises(ConnectionError, match="4501"):
            await client.receive()


async def test_an_unknown_subprotocol_is_refused(base: str) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {"Sec-WebSocket-Protocol": "chat, hodhod.v9.msgpack"}
        async with session.get(f"{base}/v1/ws", headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["code"] == "malformed"
        async with session.get(f"{base}/v1/ws") as response:
            assert (await response.json())["code"] == "malformed"


@pytest.fixture(autouse=True)
def _quiet_log(capfd: pytest.CaptureFixture[str]) -> Any:
    """No wrong input may leave a traceback behind."""
    yield
    output = capfd.readouterr()
    assert "Traceback" not in output.err + output.out
