"""Groups and channels with the SDK against the real server, over real sockets and engines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hodhod import (
    Changed,
    ChatChanged,
    ChatGone,
    Client,
    Created,
    InvalidInput,
    Joined,
    Left,
    Message,
    NotAllowed,
    NotFound,
    Permission,
    Refused,
    Removed,
    SignedOut,
    TryLater,
)
from hodhod_server.settings import Settings
from tests.node import Node, running_node
from tests.sdk.reading import next_messages, next_of

SARA, REZA, MINA = "+989123456789", "+989351112233", "+989190000000"


class Three(NamedTuple):
    """Three people, connected."""

    sara: Client
    reza: Client
    mina: Client


@pytest.fixture
async def node(settings: Settings) -> AsyncIterator[Node]:
    async with running_node(settings) as running:
        yield running


@pytest.fixture
async def three(node: Node) -> AsyncIterator[Three]:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(node.url)) for _ in range(3)]
        three = Three(*clients)
        await sign_in(node, three.sara, SARA, "Sara")
        await sign_in(node, three.reza, REZA, "Reza")
        await sign_in(node, three.mina, MINA, "Mina")
        for client in three:
            await client.chats()
        yield three


async def sign_in(node: Node, client: Client, phone: str, name: str) -> None:
    challenge = await client.request_code(phone)
    await challenge.wait_sent()
    await challenge.verify(await node.code(phone), name=name)


async def test_people_found_a_group_talk_in_it_and_leave(three: Three) -> None:
    sara, reza, mina = three
    chat = await sara.groups.found_group("کوه‌نوردان", about="جمعه‌ها", members=[reza.user])
    assert (chat.kind, chat.title, chat.about, chat.member_count) == (
        "group",
        "کوه‌نوردان",
        "جمعه‌ها",
        2,
    )
    assert chat.me is not None
    assert chat.me.role == "owner"
    came = await next_of(reza, ChatChanged)
    assert (came.chat.id, came.is_new) == (chat.id, True)
    assert came.chat.me is not None
    assert came.chat.me.may(Permission.POST)
    assert not came.chat.me.may(Permission.PROMOTE)
    assert (await next_of(reza, Message)).body == Created(chat.title, [reza.user.id])

    link = await sara.invites.create(chat, valid_s=3600, uses_max=1)
    assert await sara.invites.links(chat) == [link]
    seen = await mina.invites.preview(link.token)
    assert (seen.title, seen.member_count, seen.requires_approval) == (chat.title, 2, False)
    joined = await mina.invites.join(link.token)
    assert joined is not None
    assert joined.member_count == 3
    told = await next_of(reza, Message)
    assert (told.notice, told.sender) == (Joined([mina.user.id]), mina.user.id)
    with pytest.raises(NotFound) as over:
        await reza.invites.preview(link.token)
    assert over.value.code == "invite_not_found"

    sent = await mina.send(chat, "سلام")
    assert (await next_messages(reza, 1)) == [sent]
    await mina.groups.leave(chat)
    assert (await next_of(reza, Message)).body == Left(mina.user.id)
    assert (await next_of(mina, ChatGone)).chat == chat.id
    assert await mina.chats() == []
    with pytest.raises(NotFound):
        await mina.send(chat, "too late")
    [left] = await reza.chats()
    assert left.member_count == 2


async def test_settings_and_rights_are_known_to_everybody_at_once(three: Three) -> None:
    sara, reza, mina = three
    chat = await sara.groups.found_group("Hikers", members=[reza.user, mina.user])
    assert (await next_of(reza, ChatChanged)).is_new
    edited = await sara.groups.edit(chat, title="Climbers")
    assert edited.title == "Climbers"
    ruled = await sara.groups.set_rules(chat, default_permissions=[], history="from_joining")
    assert (ruled.title, ruled.default_permissions) == ("Climbers", ())
    silenced = await next_of(reza, ChatChanged)
    assert silenced.chat.me is not None
    assert (silenced.chat.me.permissions, silenced.is_new) == ((), False)
    assert [message.notice for message in await reza.history(chat)][1:] == [
        Changed(title="Climbers"),
        Changed(default_permissions=[], history="from_joining"),
    ]
    [known] = await reza.chats()
    assert (known.title, known.history) == ("Climbers", "from_joining")
    with pytest.raises(NotAllowed) as forbidden:
        await reza.send(chat, "may I?")
    assert forbidden.value.code == "forbidden"
    with pytest.raises(NotAllowed):
        await reza.groups.edit(chat, title="Mine")
    with pytest.raises(InvalidInput) as invalid:
        await sara.groups.edit(chat, title=" ")
    assert invalid.value.code == "title_invalid"


async def test_admins_keep_order(three: Three) -> None:
    sara, reza, mina = three
    chat = await sara.groups.found_group("Hikers", members=[reza.user, mina.user])
    await sara.groups.appoint(chat, reza.user, [Permission.MANAGE_MEMBERS])
    await until_role(reza, "admin")
    listed = [member async for member in reza.groups.members(chat)]
    assert [(one.name, one.role) for one in listed] == [
        ("Sara", "owner"),
        ("Reza", "admin"),
        ("Mina", "member"),
    ]
    admins = [one.name async for one in reza.groups.members(chat, admins_only=True)]
    assert admins == ["Sara", "Reza"]
    later = [one.name async for one in reza.groups.members(chat, after=listed[1])]
    assert later == ["Mina"]

    await reza.groups.mute(chat, mina.user, for_s=3600)
    muted = await muted_state(mina)
    assert muted.chat.me is not None
    assert muted.chat.me.muted_until is not None
    with pytest.raises(NotAllowed) as refused:
        await mina.send(chat, "but …")
    assert refused.value.code == "muted"
    await reza.groups.unmute(chat, mina.user)
    assert (await mina.send(chat, "thanks")).text == "thanks"
    await reza.groups.restrict(chat, mina.user, [Permission.POST])
    listed = [member async for member in reza.groups.members(chat)]
    assert listed[2].permissions == ("post",)
    await reza.groups.lift_restriction(chat, mina.user)

    await reza.groups.remove(chat, mina.user)
    assert (await next_of(mina, ChatGone)).chat == chat.id
    assert await reza.groups.add(chat, [mina.user, sara.user]) == [mina.user.id]
    await reza.groups.ban(chat, mina.user, for_s=3600)
    [ban] = [one async for one in reza.groups.bans(chat)]
    assert (ban.user, ban.name, ban.banned_by) == (mina.user.id, "Mina", reza.user.id)
    with pytest.raises(NotAllowed) as banned:
        await sara.groups.add(chat, [mina.user])
    assert banned.value.code == "banned"
    await reza.groups.unban(chat, mina.user)
    with pytest.raises(NotFound):
        await reza.groups.unban(chat, mina.user)
    await sara.groups.dismiss(chat, reza.user)
    await sara.groups.appoint(chat, reza.user, list(Permission))
    with pytest.raises(Refused) as not_yet:
        await sara.groups.leave(chat)
    assert not_yet.value.code == "wrong_state"
    await sara.groups.hand_over(chat, reza.user)
    await sara.groups.leave(chat)
    await until_role(reza, "owner")
    bodies = [message.body for message in await reza.history(chat)]
    assert Removed(mina.user.id) in bodies


async def until_role(client: Client, role: str) -> None:
    while True:
        changed = await next_of(client, ChatChanged)
        if changed.chat.me is not None and changed.chat.me.role == role:
            return


async def muted_state(client: Client) -> ChatChanged:
    while True:
        changed = await next_of(client, ChatChanged)
        if changed.chat.me is not None and changed.chat.me.muted_until is not None:
            return changed


async def test_who_asks_to_join_is_let_in_or_not(three: Three) -> None:
    sara, reza, mina = three
    chat = await sara.groups.found_group("Hikers")
    link = await sara.invites.create(chat, requires_approval=True)
    for client in (reza, mina):
        assert await client.invites.join(link.token) is None
    waiting = [request async for request in sara.invites.requests(chat)]
    assert [request.name for request in waiting] == ["Reza", "Mina"]
    await sara.invites.decline(chat, waiting[1])
    await sara.invites.approve(chat, waiting[0])
    came = await next_of(reza, ChatChanged)
    assert (came.chat.title, came.is_new) == ("Hikers", True)
    with pytest.raises(NotFound):
        await sara.invites.approve(chat, mina.user)
    await sara.invites.revoke(chat, link)
    with pytest.raises(NotFound):
        await mina.invites.join(link.token)
    assert await sara.invites.links(chat) == []


async def test_a_channel_speaks_in_its_own_name_and_counts_its_readers(three: Three) -> None:
    sara, reza, mina = three
    news = await sara.groups.found_channel("News", members=[reza.user, mina.user])
    assert not news.signs_posts
    post = await sara.send(news, "first")
    await sara.send(news, "second")
    for reader in (reza, mina):
        got = [await next_of(reader, Message) for _ in range(3)]
        assert [message.sender for message in got] == [0, 0, 0]
        assert [message.text for message in got] == ["", "first", "second"]
    await reza.mark_read(news, post.seq)
    await mina.mark_read(news, post.seq + 1)
    await until_views(sara, news.id, {post.seq: 2, post.seq + 1: 1})
    with pytest.raises(NotAllowed):
        await reza.send(news, "me too")
    with pytest.raises(NotAllowed):
        [one async for one in reza.groups.members(news)]


async def until_views(client: Client, chat: int, expected: dict[int, int]) -> None:
    seen: dict[int, int] = {}
    first, last = min(expected), max(expected)
    for _ in range(200):
        seen = await client.groups.views(chat, first, last)
        if seen == expected:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(seen)


async def test_slow_mode_says_how_long_to_wait(three: Three) -> None:
    sara, reza, _ = three
    chat = await sara.groups.found_group("Hikers", members=[reza.user])
    await sara.groups.set_rules(chat, slow_mode_s=600)
    await reza.send(chat, "first")
    with pytest.raises(TryLater) as slow:
        await reza.send(chat, "second")
    assert slow.value.code == "slow_mode"
    assert slow.value.retry_after_s is not None
    assert 500 < slow.value.retry_after_s <= 600
    await sara.groups.set_rules(chat, slow_mode_s=1)
    await sara.send(chat, "quicker now")


async def test_what_happened_while_away_is_caught_up_with(
    node: Node, three: Three, tmp_path: Path
) -> None:
    sara, reza, _ = three
    async with Client(node.url, state=tmp_path / "nima") as nima:
        await sign_in(node, nima, "+989120000001", "Nima")
        user = nima.user
        left = await sara.groups.found_group("Left", members=[user])
        kept = await sara.groups.found_group("Kept", members=[user])
        assert {one.chat for one in await next_messages(nima, 2)} == {left.id, kept.id}
    await sara.groups.remove(left, user)
    await sara.groups.edit(kept, title="Kept and renamed")
    new = await reza.groups.found_group("New", members=[user])
    async with Client(node.url, state=tmp_path / "nima") as nima:
        assert [chat.title for chat in await nima.chats()] == ["Kept and renamed", "New"]
        came = await next_of(nima, ChatChanged)
        assert (came.chat.id, came.is_new) == (new.id, True)
        assert (await next_of(nima, ChatGone)).chat == left.id
        await nima.groups.leave(new)
    async with Client(node.url, state=tmp_path / "nima") as nima:
        assert [chat.id for chat in await nima.chats()] == [kept.id]
        await sara.groups.add(left, [user])
        assert (await next_of(nima, ChatChanged)).chat.id == left.id
        await sara.send(left, "welcome back")
        told = [(await next_of(nima, Message)).body for _ in range(3)]
        assert Joined([user.id]) in told


async def test_nothing_is_done_without_a_session(node: Node) -> None:
    async with Client(node.url) as client:
        with pytest.raises(SignedOut):
            await client.groups.found_group("Nobody's")
