"""The SDK against the real server, in this process, over real sockets and real engines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from hodhod import (
    Client,
    CodeWrong,
    InvalidInput,
    Message,
    NameRequired,
    NotFound,
    PositionChanged,
    Progress,
    SendUnconfirmed,
    SignedOut,
    TypingSeen,
)
from hodhod_server.settings import Settings
from tests.node import Node, new_node, running_node
from tests.sdk.cutting_proxy import CuttingProxy
from tests.sdk.reading import next_messages, next_of
from tests.sdk.signing_in import REZA, SARA, sign_in


@pytest.fixture
async def node(settings: Settings) -> AsyncIterator[Node]:
    async with running_node(settings) as running:
        yield running


async def test_a_newcomer_is_led_through_sign_up(node: Node) -> None:
    async with Client(node.url) as client:
        with pytest.raises(InvalidInput) as refused:
            await client.request_code("12")
        assert refused.value.code == "phone_invalid"
        challenge = await client.request_code("۰۹۱۲ ۳۴۵ ۶۷۸۹")
        assert challenge.channel == "sms"
        await challenge.wait_sent()
        assert (challenge.state, len(challenge.tag)) == ("sent", 2)
        assert challenge.expires_at is not None
        assert challenge.tries_left == 5
        await challenge.resend()
        assert challenge.next[0].channel == "sms"
        code = await node.code(SARA)
        wrong = "000000" if code != "000000" else "111111"
        with pytest.raises(CodeWrong) as missed:
            await challenge.verify(wrong, name="Sara")
        assert missed.value.tries_left == 4
        await challenge.refresh()
        assert challenge.tries_left == 4
        with pytest.raises(NameRequired):
            await challenge.verify(code)
        user = await challenge.verify(code, name="Sara")
        assert client.user == user


async def test_a_challenge_is_followed_to_its_end(node: Node) -> None:
    async with Client(node.url) as client:
        challenge = await client.request_code(SARA)
        states = []
        async with asyncio.timeout(10):
            async for now in challenge.changes():
                states.append(now.state)
                if now.state == "sent":
                    await now.cancel()
        assert states in (["sent"], ["queued", "sent"])  # the first answer waits a little for that
        assert challenge.is_over


async def test_two_people_write_to_each_other(node: Node) -> None:
    async with Client(node.url) as sara, Client(node.url) as reza:
        await sign_in(node, reza, REZA, "Reza")
        await sign_in(node, sara, SARA, "Sara")
        with pytest.raises(NotFound):
            await sara.open_private_chat(phone="0912 000 0000")
        chat = await sara.open_private_chat(phone="0935 111 2233")
        sent = await sara.send(chat, "سلام")
        [got] = await next_messages(reza, 1)
        assert got == sent
        reply = await reza.send(got.chat, "علیک سلام")
        assert await next_messages(sara, 1) == [reply]
        await reza.mark_read(got)
        told = await next_of(sara, PositionChanged)
        assert (told.user, told.delivered) == (reza.user.id, 1)
        await reza.typing(chat)
        assert (await next_of(sara, TypingSeen)).user == reza.user.id
        assert [one.title for one in await sara.chats()] == ["Reza"]
        assert [one.text for one in await reza.history(chat)] == ["سلام", "علیک سلام"]


async def test_who_signed_up_and_left_gets_everything_later(node: Node, tmp_path: Path) -> None:
    async with Client(node.url, state=tmp_path / "reza") as reza:
        await sign_in(node, reza, REZA, "Reza")
    async with Client(node.url) as sara:
        await sign_in(node, sara, SARA, "Sara")
        chat = await sara.open_private_chat(phone=REZA)
        async with asyncio.TaskGroup() as tasks:
            for number in range(130):
                tasks.create_task(sara.send(chat, f"text {number}"))
        async with Client(node.url, state=tmp_path / "reza") as reza:
            got = await next_messages(reza, 130)
            assert [message.seq for message in got] == list(range(1, 131))
            await until_delivered(sara, chat.id, 130)


async def until_delivered(client: Client, chat: int, seq: int) -> None:
    """Until somebody else has the chat up to `seq`."""
    while True:
        told = await next_of(client, PositionChanged)
        if told.chat == chat and told.user != client.user.id and told.delivered >= seq:
            return


async def test_a_second_device_sees_what_the_first_writes(node: Node) -> None:
    async with Client(node.url) as desk, Client(node.url) as phone:
        await sign_in(node, desk, SARA, "Sara")
        await sign_in(node, phone, SARA, "Sara")
        assert phone.user == desk.user
        await phone.chats()
        chat = await desk.open_private_chat(user=desk.user)
        sent = await desk.send(chat, "a note to myself")
        assert await next_messages(phone, 1) == [sent]


async def test_a_device_comes_back_by_refresh_token_and_by_its_key(
    settings: Settings, tmp_path: Path
) -> None:
    security = replace(settings.security, access_token_s=30)
    async with running_node(settings.model_copy(update={"security": security})) as node:
        async with Client(node.url, state=tmp_path / "sara") as sara:
            await sign_in(node, sara, SARA, "Sara")
            first = kept(tmp_path / "sara")["refresh_token"]
            chat = await sara.open_private_chat(user=sara.user)
            assert kept(tmp_path / "sara")["refresh_token"] != first
        spoil_refresh_token(tmp_path / "sara")
        async with Client(node.url, state=tmp_path / "sara") as sara:
            assert (await sara.send(chat, "by my key")).seq == 1


def kept(path: Path) -> dict[str, str]:
    credentials: dict[str, str] = json.loads(path.read_text())["credentials"]
    return credentials


def spoil_refresh_token(path: Path) -> None:
    state = json.loads(path.read_text())
    state["credentials"]["refresh_token"] = secrets.token_urlsafe(32)
    path.write_text(json.dumps(state))


async def test_a_gateway_that_goes_and_comes_back_is_hardly_noticed(
    settings: Settings, tmp_path: Path
) -> None:
    node = new_node()
    async with two_clients(settings, node) as (sara, reza, chat):
        async with running_node(settings, node=node):
            assert (await sara.send(chat, "before")).seq == 1
            await next_messages(reza, 1)
        with pytest.raises(SendUnconfirmed) as unconfirmed:
            await sara.send(chat, "while it is away")
        async with running_node(settings, node=node):
            [late] = await next_messages(reza, 1)
            assert late.client_id == unconfirmed.value.client_id
            assert (await next_of(sara, Message)) == late
            assert (await sara.send(chat, "after")).seq == 3


@contextlib.asynccontextmanager
async def two_clients(settings: Settings, node: Node) -> AsyncIterator[tuple[Client, Client, int]]:
    """Two people signed in at a node that is stopped meanwhile."""
    async with contextlib.AsyncExitStack() as stack:
        async with running_node(settings, node=node):
            sara = await stack.enter_async_context(Client(node.url, deadline_s=2.0))
            reza = await stack.enter_async_context(Client(node.url, deadline_s=2.0))
            await sign_in(node, reza, REZA, "Reza")
            await sign_in(node, sara, SARA, "Sara")
            chat = await sara.open_private_chat(phone=REZA)
        yield sara, reza, chat.id


async def test_messages_over_a_bad_link_come_once_each_and_in_order(settings: Settings) -> None:
    node = new_node()
    async with bad_link(node.gateway, cut_after_bytes=5_000) as link:
        told = node._replace(gateway=link.url)
        async with (
            running_node(settings, node=node, public=told),
            Client(node.url, deadline_s=30) as sara,
            Client(node.url, deadline_s=30) as reza,
        ):
            await sign_in(node, reza, REZA, "Reza")
            await sign_in(node, sara, SARA, "Sara")
            chat = await sara.open_private_chat(phone=REZA)
            for start in range(0, 60, 6):
                async with asyncio.TaskGroup() as tasks:
                    for number in range(start, start + 6):
                        tasks.create_task(sara.send(chat, f"to Reza {number} {'.' * 100}"))
                        tasks.create_task(reza.send(chat, f"to Sara {number} {'.' * 100}"))
            at_reza = await next_messages(reza, 60)
            at_sara = await next_messages(sara, 60)
    assert link.cuts >= 5
    for got in (at_reza, at_sara):
        assert [one.seq for one in got] == sorted({one.seq for one in got})
        assert len({one.text for one in got}) == 60


@contextlib.asynccontextmanager
async def bad_link(target: str, *, cut_after_bytes: int) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(target, cut_after_bytes=cut_after_bytes, seed=7).running() as link:
        yield link


async def test_a_file_over_a_bad_link_arrives_whole(settings: Settings, tmp_path: Path) -> None:
    node, told = new_node(), list[Progress]()
    film = secrets.token_bytes(6_000_000)
    save(tmp_path / "film.mp4", film)
    async with (
        bad_link(node.media, cut_after_bytes=800_000) as link,
        running_node(settings, node=node, public=node._replace(media=link.url)),
        Client(node.url) as sara,
        Client(node.url) as reza,
    ):
        await sign_in(node, reza, REZA, "Reza")
        await sign_in(node, sara, SARA, "Sara")
        chat = await sara.open_private_chat(phone=REZA)
        await sara.send_file(chat, tmp_path / "film.mp4", on_progress=told.append)
        [got] = await next_messages(reza, 1)
        assert got.file is not None
        assert (got.file.size, got.file.type) == (len(film), "video/mp4")
        await reza.download(got, tmp_path / "got.mp4")
        assert await reza.read_range(got, 1000, 2000) == film[1000:2000]
    assert load(tmp_path / "got.mp4") == film
    assert (told[-1].sent, told[-1].total) == (len(film), len(film))
    assert link.cuts >= 5


def save(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def load(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_device_that_is_signed_out_elsewhere_is_told(node: Node, tmp_path: Path) -> None:
    async with (
        Client(node.url, state=tmp_path / "desk") as desk,
        Client(node.url, state=tmp_path / "phone") as phone,
    ):
        await sign_in(node, desk, SARA, "Sara")
        await sign_in(node, phone, SARA, "Sara")
        await phone.chats()
        token = kept(tmp_path / "desk")["access_token"]
        await end_device(node, token, int(kept(tmp_path / "phone")["device"]))
        with pytest.raises(SignedOut):
            await next_messages(phone, 1)
        assert not phone.signed_in
        assert desk.signed_in


async def end_device(node: Node, token: str, device: int) -> None:
    """As the settings page of another app does it."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.delete(f"{node.gateway}/v1/devices/{device}") as answer,
    ):
        assert answer.ok
