"""Large chats over two gateways: nobody is named, everybody who is there hears."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from hodhod_server.services import chat_changes
from tests.gateway.conftest import Gateway
from tests.people import People, Person
from tests.raw_client import RawClient

Connect = Callable[..., Awaitable[RawClient]]


@pytest.fixture
def small_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four members are many."""
    monkeypatch.setattr(chat_changes, "BROADCAST_MEMBERS", 3)


@pytest.fixture
async def two(gateway: Gateway, small_threshold: None) -> AsyncIterator[tuple[str, str]]:
    async with gateway() as one, gateway() as other:
        yield one, other


async def call(base: str, who: Person, method: str, path: str, **body: object) -> int:
    headers = {"Authorization": f"Bearer {who.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, base + path, json=body, headers=headers) as answer,
    ):
        assert answer.status < 300, await answer.text()
        found: int = (await answer.json()).get("chat", 0) if answer.status == 200 else 0
        return found


async def test_a_post_in_a_large_group_reaches_both_gateways_and_every_device(
    two: tuple[str, str], people: People, connect: Connect
) -> None:
    one, other = two
    sara, *members = [await people.new() for _ in range(5)]
    tablet = await people.another_device(members[0].user)
    users = [member.user for member in members]
    chat = await call(one, sara, "POST", "/v1/chats", kind="group", title="کوه", members=users)
    hers = await connect(one, sara.token)
    theirs = [
        await connect(base, who.token)
        for base, who in zip((one, other, other, one, other), [*members, tablet], strict=False)
    ]
    for number in (1, 2, 3):
        await hers.send_text(chat, str(number))
    for client in theirs:
        texts = [(await client.push("event"))["event"]["body"]["text"] for _ in range(3)]
        assert texts == ["1", "2", "3"]


async def test_who_joins_a_large_group_hears_it_from_then_on_wherever_they_are(
    two: tuple[str, str], people: People, connect: Connect
) -> None:
    one, other = two
    sara, *members = [await people.new() for _ in range(5)]
    late = await people.new()
    chat = await call(
        one, sara, "POST", "/v1/chats", kind="group", title="کوه", members=[m.user for m in members]
    )
    hers, theirs = await connect(one, sara.token), await connect(other, late.token)
    await call(one, sara, "POST", f"/v1/chats/{chat}/members", users=[late.user])
    assert (await theirs.push("chat_state"))["chat"]["chat"] == chat
    await theirs.push("resync")
    await hers.send_text(chat, "خوش آمدی")
    assert (await theirs.push("event"))["event"]["chat"] == chat
    await call(one, sara, "DELETE", f"/v1/chats/{chat}/members/{late.user}")
    assert (await theirs.push("chat_gone"))["chat"] == chat


async def test_a_group_that_becomes_large_goes_on_without_a_gap(
    two: tuple[str, str], people: People, connect: Connect
) -> None:
    one, other = two
    sara, reza, ali, mina = [await people.new() for _ in range(4)]
    chat = await call(
        one, sara, "POST", "/v1/chats", kind="group", title="کوه", members=[reza.user, ali.user]
    )
    hers, his = await connect(one, sara.token), await connect(other, reza.token)
    await hers.send_text(chat, "پیش")
    await call(one, sara, "POST", f"/v1/chats/{chat}/members", users=[mina.user])
    await his.push("resync")
    await hers.send_text(chat, "پس")
    seqs: list[int] = []
    while not seqs or seqs[-1] < (await hers.ask("get_chat", chat=chat))["chat"]["last_seq"]:
        seqs.append((await his.push("event"))["event"]["seq"])
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
