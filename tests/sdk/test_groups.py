"""Groups and channels against the fake: what an app is told, whatever goes lost."""

from __future__ import annotations

import asyncio

import pytest

from hodhod import (
    Changed,
    Chat,
    ChatChanged,
    ChatGone,
    Client,
    ConnectionLost,
    Joined,
    Message,
    NotAllowed,
    NotFound,
    Permission,
    Refused,
    SendUnconfirmed,
    SignedOut,
    TryLater,
)
from hodhod.testing import FakeServer, Faults
from hodhod_wire.errors import ErrorCode
from tests.sdk.conftest import OpenClient, Two
from tests.sdk.reading import next_messages, next_of, until


@pytest.fixture
async def group(two: Two) -> Chat:
    """Sara's group, with Reza in it, who has been told of it, its first notice included."""
    await two.sara.chats()
    await two.reza.chats()
    chat = await two.sara.groups.found_group("کوه", members=[two.reza.user])
    assert (await next_of(two.reza, ChatChanged)).is_new
    return chat


async def test_a_fake_group_works_as_a_real_one(
    fake: FakeServer, open_client: OpenClient, two: Two, group: Chat
) -> None:
    mina = await open_client()
    await fake.sign_in(mina, "09190000000", "Mina")
    await mina.chats()
    link = await two.sara.invites.create(group, uses_max=1)
    assert (await mina.invites.preview(link.token)).title == "کوه"
    joined = await mina.invites.join(link.token)
    assert joined is not None
    assert await next_of(mina, ChatChanged) == ChatChanged(chat=joined, is_new=True)
    assert (await next_of(two.reza, Message)).notice == Joined([mina.user.id])
    await mina.send(joined, "سلام")
    assert (await next_of(two.reza, Message)).text == "سلام"
    names = [member.name async for member in two.reza.groups.members(group)]
    assert sorted(names) == ["Mina", "Reza", "Sara"]
    admins = [member.name async for member in mina.groups.members(group, admins_only=True)]
    assert admins == ["Sara"]
    await two.sara.groups.mute(group, mina.user, for_s=60)
    with pytest.raises(NotAllowed) as muted:
        await mina.send(joined, "hello?")
    assert muted.value.code == "muted"
    await two.sara.groups.unmute(group, mina.user)
    await two.sara.groups.ban(group, mina.user)
    assert (await next_of(mina, ChatGone)).chat == group.id
    assert [ban.name async for ban in two.sara.groups.bans(group)] == ["Mina"]
    with pytest.raises(NotFound):
        await mina.invites.join(link.token)
    await two.sara.groups.unban(group, mina.user)
    assert await two.reza.groups.add(group, [mina.user]) == [mina.user.id]
    assert (await next_of(mina, ChatChanged)).is_new


async def test_who_waits_at_the_door_of_a_fake_group(two: Two) -> None:
    chat = await two.sara.groups.found_group("کوه")
    link = await two.sara.invites.create(chat, requires_approval=True, valid_s=60)
    assert link.expires_at is not None
    assert await two.sara.invites.links(chat) == [
        link,
    ]
    assert await two.reza.invites.join(link.token) is None
    [waiting] = [request async for request in two.sara.invites.requests(chat)]
    await two.sara.invites.decline(chat, waiting)
    assert await two.reza.invites.join(link.token) is None
    await two.sara.invites.approve(chat, two.reza.user)
    assert (await next_of(two.reza, ChatChanged)).chat.id == chat.id
    await two.sara.invites.revoke(chat, link)
    with pytest.raises(NotFound):
        await two.sara.invites.revoke(chat, link.link)


async def test_a_fake_channel_speaks_in_its_own_name(two: Two) -> None:
    news = await two.sara.groups.found_channel("News", members=[two.reza.user])
    post = await two.sara.send(news, "first")
    got = await next_messages(two.reza, 2)
    assert [(message.sender, message.text) for message in got] == [(0, ""), (0, "first")]
    await two.reza.mark_read(got[-1])
    assert await two.sara.groups.views(news, 1, post.seq) == {1: 1, post.seq: 1}
    with pytest.raises(NotAllowed):
        await two.reza.send(news, "me too")
    await two.sara.groups.appoint(news, two.reza.user, [Permission.POST])
    await two.reza.send(news, "now I may")
    await two.sara.groups.dismiss(news, two.reza.user)
    await two.sara.groups.set_rules(news, signs_posts=True)
    assert (await two.sara.send(news, "signed")).sender == two.sara.user.id


async def test_everybodys_permissions_are_followed_without_asking(two: Two, group: Chat) -> None:
    await two.sara.groups.set_rules(group, default_permissions=[Permission.POST])
    changed = await next_of(two.reza, ChatChanged)
    assert changed.chat.me is not None
    assert changed.chat.me.permissions == ("post",)
    assert not changed.is_new
    await two.sara.groups.restrict(group, two.reza.user, [])
    silenced = await next_of(two.reza, ChatChanged)
    assert silenced.chat.me is not None
    assert not silenced.chat.me.may(Permission.POST)
    await two.sara.groups.lift_restriction(group, two.reza.user)
    lifted = await next_of(two.reza, ChatChanged)
    assert lifted.chat.me is not None
    assert lifted.chat.me.permissions == ("post",)
    with pytest.raises(ValueError, match="list"):
        await two.sara.groups.restrict(group, two.reza.user, "post")


async def test_the_chat_follows_its_notices(two: Two, group: Chat) -> None:
    await two.sara.groups.edit(group, title="کوه بلند")
    await two.sara.groups.set_rules(group, slow_mode_s=30)
    last = (await next_messages(two.reza, 2))[-1]
    assert last.notice == Changed(slow_mode_s=30)
    assert str(last) == f"notice 3 in chat {group.id}: changed: slow_mode_s"
    known = next(chat for chat in await two.reza.chats() if chat.id == group.id)
    assert (known.title, known.slow_mode_s, known.member_count) == ("کوه بلند", 30, 2)
    assert await two.reza.chat(group.id) == known


async def test_what_was_pushed_in_vain_is_found_by_the_next_sync(
    fake: FakeServer, two: Two, group: Chat
) -> None:
    fake.faults = Faults(push_loss=1.0)
    await two.sara.groups.remove(group, two.reza.user)
    new = await two.sara.groups.found_group("New", members=[two.reza.user])
    fake.faults = Faults()
    await fake.resync()
    assert (await next_of(two.reza, ChatChanged)).chat.id == new.id
    assert (await next_of(two.reza, ChatGone)).chat == group.id
    assert group.id not in {chat.id for chat in await two.reza.chats()}


async def test_leaving_is_told_once_and_coming_back_goes_on(two: Two, group: Chat) -> None:
    await two.sara.send(group, "before")
    assert (await next_of(two.reza, Message)).text == "before"
    await two.reza.groups.leave(group)
    assert (await next_of(two.reza, ChatGone)).chat == group.id
    assert group.id not in {chat.id for chat in await two.reza.chats()}
    await two.sara.send(group, "while away")
    await two.sara.groups.add(group, [two.reza.user])
    await two.sara.send(group, "welcome back")
    texts = [message.text for message in await next_messages(two.reza, 4)]
    assert texts == ["", "while away", "", "welcome back"]


async def test_an_answer_that_was_lost_does_nothing_twice(
    fake: FakeServer, two: Two, group: Chat
) -> None:
    fake.faults = Faults(answer_loss=1.0)
    with pytest.raises(ConnectionLost):
        await two.sara.groups.found_group("only once")
    with pytest.raises(ConnectionLost):
        await two.sara.invites.create(group)
    leaving = asyncio.ensure_future(two.reza.groups.leave(group))
    await until(lambda: two.reza.user.id not in fake.logs.chats[group.id].members)
    fake.faults = Faults()
    await leaving
    assert len([chat for chat in fake.logs.chats.values() if chat.kind == "group"]) == 2
    assert len(await two.sara.invites.links(group)) == 1
    with pytest.raises(NotFound):
        await two.reza.groups.leave(group)


async def test_a_token_that_is_not_taken_any_more_is_renewed(
    fake: FakeServer, two: Two, group: Chat
) -> None:
    fake.doors.access_tokens.clear()
    assert (await two.sara.groups.edit(group, about="جمعه‌ها")).about == "جمعه‌ها"
    fake.doors.access_tokens.clear()
    fake.doors.refresh_tokens.clear()
    fake.doors.devices.clear()
    with pytest.raises(SignedOut):
        await two.sara.groups.edit(group, about="")


async def test_slow_mode_is_waited_out_or_told(
    fake: FakeServer, open_client: OpenClient, two: Two
) -> None:
    fake.refuse_sends(ErrorCode.SLOW_MODE, retry_after_s=0.1)
    assert (await two.sara.send(two.chat, "patience")).seq == 1
    fake.refuse_sends(ErrorCode.SLOW_MODE, retry_after_s=60)
    with pytest.raises(TryLater) as slow:
        await two.sara.send(two.chat, "not now")
    assert (slow.value.code, slow.value.retry_after_s) == ("slow_mode", 60)
    assert (await two.sara.send(two.chat, "later")).seq == 2
    fake.refuse_sends(ErrorCode.OVERLOADED, retry_after_s=60)
    impatient = await open_client(deadline_s=0.3)
    await fake.sign_in(impatient, "09120000000", "Nima")
    chat = await impatient.open_private_chat(user=impatient.user)
    with pytest.raises(SendUnconfirmed):
        await impatient.send(chat, "kept for later")


async def test_an_owner_does_not_leave_an_orphan(two: Two, group: Chat) -> None:
    with pytest.raises(Refused) as refused:
        await two.sara.groups.leave(group)
    assert refused.value.code == "wrong_state"
    await two.sara.groups.hand_over(group, two.reza.user)
    await until_owner(two.reza)
    await two.sara.groups.leave(group)


async def until_owner(client: Client) -> None:
    while (me := (await next_of(client, ChatChanged)).chat.me) is None or me.role != "owner":
        pass
