"""The law of synchronisation: what a device had, and what it was pushed, is what a fresh one gets;
and so is what it had, and what a sync tells of the changes since.

For every public method of the services of chats, and for everybody whom it may concern. A method
without an entry here fails a test.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from hodhod_server.domain.ids import ChatId, MediaId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.memberships import ChatKind
from hodhod_server.domain.permissions import EVERYTHING, Permission
from hodhod_server.services.chats import Chats
from hodhod_server.services.groups import Edit, Groups, NewGroup
from hodhod_server.services.invites import Invites, NewLink
from hodhod_server.services.media_news import MediaNews
from hodhod_server.services.membership import Membership
from hodhod_server.services.messaging import Messaging
from hodhod_server.services.positions import PositionKeeper
from hodhod_server.services.syncing import Syncing
from hodhod_server.services.typing_hints import TypingHints
from hodhod_server.services.views import Views
from hodhod_server.settings import Settings
from hodhod_server.store import groups, uploads
from hodhod_server.store.database import Database
from hodhod_wire.frames import History, Sync
from hodhod_wire.limits import ID_MAX
from tests.client_model import ClientModel
from tests.clock import FakeClock
from tests.house import House, open_house
from tests.people import People, Person


@dataclass(frozen=True)
class Scene:
    """A group and a channel of Sara's, in which Reza is admin, Mina a member and Dara restricted;
    Ali asked to join the group and Zari is banned from it. Sara and Reza write in private, too.
    """

    house: House
    clock: FakeClock
    sara: Person
    reza: Person
    mina: Person
    dara: Person
    ali: Person
    zari: Person
    group: ChatId
    channel: ChatId
    private: ChatId
    link: int
    token: str

    @property
    def everybody(self) -> tuple[Person, ...]:
        return self.sara, self.reza, self.mina, self.dara, self.ali, self.zari


@pytest.fixture
async def scene(
    settings: Settings, database: Database, clock: FakeClock, keys: Keys
) -> AsyncIterator[Scene]:
    people = People(database, keys, clock)
    sara, reza, mina, dara, ali, zari = [await people.new() for _ in range(6)]
    async with open_house(settings, database, clock) as house:
        users = [reza.user, mina.user, dara.user]
        group = await house.found(sara.caller, users)
        channel = await house.found(sara.caller, users, "channel", signs_posts=False)
        for chat in (group, channel):
            await house.membership.appoint(sara.caller, chat, reza.user, EVERYTHING)
            await house.membership.restrict(sara.caller, chat, dara.user, Permission.POST)
        approved = await house.invites.create(sara.caller, group, NewLink(requires_approval=True))
        await house.invites.join(ali.caller, approved.token)
        await house.membership.ban(sara.caller, group, zari.user, None)
        link = await house.invites.create(sara.caller, group, NewLink())
        private = ChatId(
            (await house.chats.open_private(sara.caller, user=reza.user, phone=None)).chat
        )
        for chat in (group, channel, private):
            await house.say(sara.caller, chat)
        yield Scene(
            house,
            clock,
            *(sara, reza, mina, dara, ali, zari),
            *(group, channel, private),
            link.link,
            link.token,
        )


Act = Callable[[Scene], Awaitable[object]]
SLOW = Edit(slow_mode_s=30, title="قله", about="x", shows_history=False)


def _new(s: Scene, kind: ChatKind) -> NewGroup:
    return NewGroup(kind=kind, title="نو", users=[s.reza.user, s.ali.user])


async def _name_a_file(s: Scene, who: Person, chat: ChatId) -> MediaId:
    media_id = await s.house.begin_file(who.caller)
    await (await s.house.submit_file(who.caller, chat, media_id))
    return media_id


async def _end_a_file(s: Scene, who: Person, chat: ChatId) -> MediaId:
    media_id = await _name_a_file(s, who, chat)
    await s.house.end_file(who.caller, media_id)
    await s.house.news.tell_whole(media_id)
    return media_id


async def _learn_of_a_file(s: Scene) -> None:
    media_id = await _end_a_file(s, s.mina, s.group)
    await s.house.news.media_settled(media_id)


async def _lose_a_file(s: Scene) -> None:
    media_id = await _name_a_file(s, s.mina, s.group)
    async with s.house.database.connection() as tx:
        await uploads.mark_removed(tx, s.mina.user, media_id, datetime(2030, 1, 1, tzinfo=UTC))
    await s.house.news.tell_lost(media_id)


ACTS: dict[str, Act] = {
    "chats.open_private": lambda s: s.house.chats.open_private(
        s.mina.caller, user=s.ali.user, phone=None
    ),
    "chats.get": lambda s: s.house.chats.get(s.mina.caller, s.group),
    "chats.page": lambda s: s.house.chats.page(s.mina.caller, after=0, limit=9),
    "groups.create a group": lambda s: s.house.groups.create(
        s.mina.caller, _new(s, ChatKind.GROUP)
    ),
    "groups.create a channel": lambda s: s.house.groups.create(
        s.mina.caller, _new(s, ChatKind.CHANNEL)
    ),
    "groups.edit": lambda s: s.house.groups.edit(s.sara.caller, s.group, SLOW),
    "groups.edit permissions": lambda s: s.house.groups.edit(
        s.reza.caller, s.group, Edit(permissions=Permission.SEND_FILES)
    ),
    "groups.edit a channel": lambda s: s.house.groups.edit(
        s.reza.caller, s.channel, Edit(title="قله", signs_posts=True)
    ),
    "groups.hand_over": lambda s: s.house.groups.hand_over(s.sara.caller, s.group, s.mina.user),
    "membership.page": lambda s: s.house.membership.page(
        s.mina.caller, s.group, after=0, limit=9, admins_only=False
    ),
    "membership.add": lambda s: s.house.membership.add(
        s.mina.caller, s.group, [s.ali.user, s.reza.user]
    ),
    "membership.add to a channel": lambda s: s.house.membership.add(
        s.sara.caller, s.channel, [s.ali.user]
    ),
    "membership.leave": lambda s: s.house.membership.leave(s.mina.caller, s.group),
    "membership.leave a channel": lambda s: s.house.membership.leave(s.mina.caller, s.channel),
    "membership.remove": lambda s: s.house.membership.remove(s.reza.caller, s.group, s.mina.user),
    "membership.appoint": lambda s: s.house.membership.appoint(
        s.sara.caller, s.group, s.dara.user, Permission.INVITE
    ),
    "membership.dismiss": lambda s: s.house.membership.dismiss(s.sara.caller, s.group, s.reza.user),
    "membership.restrict": lambda s: s.house.membership.restrict(
        s.reza.caller, s.group, s.dara.user, None
    ),
    "membership.mute": lambda s: s.house.membership.mute(
        s.reza.caller, s.group, s.mina.user, s.clock.now() + timedelta(hours=1)
    ),
    "membership.page_of_bans": lambda s: s.house.membership.page_of_bans(
        s.reza.caller, s.group, after=0, limit=9
    ),
    "membership.ban": lambda s: s.house.membership.ban(s.reza.caller, s.group, s.mina.user, None),
    "membership.ban a stranger": lambda s: s.house.membership.ban(
        s.reza.caller, s.group, s.ali.user, None
    ),
    "membership.unban": lambda s: s.house.membership.unban(s.reza.caller, s.group, s.zari.user),
    "invites.create": lambda s: s.house.invites.create(s.reza.caller, s.group, NewLink()),
    "invites.list_links": lambda s: s.house.invites.list_links(s.reza.caller, s.group),
    "invites.revoke": lambda s: s.house.invites.revoke(s.reza.caller, s.group, s.link),
    "invites.preview": lambda s: s.house.invites.preview(s.ali.caller, s.token),
    "invites.join": lambda s: s.house.invites.join(s.ali.caller, s.token),
    "invites.page_of_requests": lambda s: s.house.invites.page_of_requests(
        s.reza.caller, s.group, after=0, limit=9
    ),
    "invites.approve": lambda s: s.house.invites.approve(s.reza.caller, s.group, s.ali.user),
    "invites.decline": lambda s: s.house.invites.decline(s.reza.caller, s.group, s.ali.user),
    "messaging.submit": lambda s: s.house.say(s.mina.caller, s.group),
    "messaging.submit to a channel": lambda s: s.house.say(s.reza.caller, s.channel),
    "messaging.submit in private": lambda s: s.house.say(s.reza.caller, s.private),
    "messaging.submit a file": lambda s: _name_a_file(s, s.mina, s.group),
    "news.tell_whole": lambda s: _end_a_file(s, s.mina, s.group),
    "news.tell_whole in a channel": lambda s: _end_a_file(s, s.reza, s.channel),
    "news.tell_whole in private": lambda s: _end_a_file(s, s.sara, s.private),
    "news.media_settled": lambda s: _learn_of_a_file(s),
    "news.tell_lost": lambda s: _lose_a_file(s),
    "positions.mark": lambda s: s.house.positions.mark(s.mina.caller, s.group, read=2),
    "positions.mark in a channel": lambda s: s.house.positions.mark(
        s.mina.caller, s.channel, read=2
    ),
    "positions.mark in private": lambda s: s.house.positions.mark(
        s.reza.caller, s.private, delivered=1
    ),
    "typing.hint": lambda s: s.house.typing.hint(s.mina.caller, s.group),
    "views.between": lambda s: s.house.views.between(s.mina.caller, s.channel, 1, 9),
    "syncing.sync": lambda s: s.house.syncing.sync(s.mina.caller, Sync()),
    "syncing.history": lambda s: s.house.syncing.history(s.mina.caller, History(chat=s.group)),
}


@pytest.mark.parametrize("is_broadcast", [False, True], ids=["roster", "broadcast"])
@pytest.mark.parametrize("name", ACTS)
async def test_what_one_had_and_what_one_is_told_is_what_there_is(
    scene: Scene,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_broadcast: bool,
) -> None:
    monkeypatch.setattr("hodhod_server.services.syncing.COMMIT_WITHIN", timedelta(0))
    syncing, pushed = scene.house.syncing, scene.house.pushed
    if is_broadcast:
        async with database.transaction() as tx:
            await groups.become_broadcast(tx, scene.group)
        scene.house.rights.forget_all()
    await scene.house.settled()
    old = {one.user: await ClientModel.synced(syncing, one.caller) for one in scene.everybody}
    had = {user: dict(model.chats) for user, model in old.items()}
    as_of = (await syncing.sync(scene.sara.caller, Sync())).as_of
    pushed.envelopes.clear()
    await ACTS[name](scene)
    await scene.house.settled()
    for one in scene.everybody:
        model, fresh = old[one.user], await ClientModel.synced(syncing, one.caller)
        for envelope in pushed.envelopes:
            await model.take(envelope)
        assert model.state() == fresh.state(), one
        page = await syncing.sync(one.caller, Sync(since=as_of))
        told = had[one.user] | {delta.chat.chat: delta.chat for delta in page.chats}
        assert {number: told[number] for number in fresh.chats} == fresh.chats, one


async def test_where_nothing_changed_nothing_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hodhod_server.services.syncing.COMMIT_WITHIN", timedelta(milliseconds=-1))
    await scene.house.settled()
    before = await scene.house.syncing.sync(scene.sara.caller, Sync())
    await scene.house.say(scene.reza.caller, scene.private)
    page = await scene.house.syncing.sync(scene.sara.caller, Sync(since=before.as_of))
    assert [delta.chat.chat for delta in page.chats] == [scene.private]
    later = await scene.house.syncing.sync(scene.sara.caller, Sync(since=ID_MAX))
    assert later.chats == []


SERVICES = {
    "chats": Chats,
    "groups": Groups,
    "membership": Membership,
    "invites": Invites,
    "messaging": Messaging,
    "news": MediaNews,
    "positions": PositionKeeper,
    "typing": TypingHints,
    "views": Views,
    "syncing": Syncing,
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_public_method_is_in_the_table(service: str) -> None:
    methods = {
        name
        for name, value in inspect.getmembers(SERVICES[service], inspect.iscoroutinefunction)
        if not name.startswith("_") and name != "run"
    }
    told = {name.split()[0].partition(".")[2] for name in ACTS if name.startswith(f"{service}.")}
    assert methods == told
