"""Rights change while messages are on their way: what is committed was allowed at its commit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.errors import ChatNotFound, Forbidden, HodhodError, Muted, SlowMode
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.permissions import NOTHING
from hodhod_server.services.groups import Edit
from hodhod_server.settings import RedisSettings, Settings
from hodhod_server.store.database import Database
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import EventPush, History
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.house import House, open_house
from tests.people import People, Person


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def three(people: People) -> tuple[Person, Person, Person]:
    return await people.new("سارا"), await people.new("رضا"), await people.new("مینا")


Three = tuple[Person, Person, Person]


async def written(house: House, done: asyncio.Future[Appended]) -> Appended | BaseException:
    """Let the writer do its work; what became of a message that waited for it."""
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(house.writer.run())
        await asyncio.wait([done])
        writing.cancel()
    return done.exception() or done.result()


def heard_by(house: House, person: Person) -> list[int]:
    """The seqs of the events that were pushed to somebody, in order."""
    seqs = []
    for envelope in house.pushed.envelopes:
        frame = MSGPACK.decode_server(envelope.frame)
        if isinstance(frame, EventPush) and person.user in envelope.users:
            seqs.append(MSGPACK.decode_event(frame.event).seq)
    return seqs


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("remove", ChatNotFound),
        ("ban", ChatNotFound),
        ("leave", ChatNotFound),
        ("mute", Muted),
        ("restrict", Forbidden),
        ("close", Forbidden),
    ],
)
async def test_who_lost_the_right_between_check_and_commit_writes_nothing(
    settings: Settings,
    database: Database,
    clock: FakeClock,
    three: Three,
    change: str,
    refusal: type[HodhodError],
) -> None:
    sara, reza, _ = three
    until = clock.now() + timedelta(hours=1)
    async with open_house(settings, database, clock, is_writing=False) as house:
        chat = await house.found(sara.caller, [reza.user])
        waiting = await house.submit(reza.caller, chat)
        match change:
            case "remove":
                await house.membership.remove(sara.caller, chat, reza.user)
            case "ban":
                await house.membership.ban(sara.caller, chat, reza.user, until)
            case "leave":
                await house.membership.leave(reza.caller, chat)
            case "mute":
                await house.membership.mute(sara.caller, chat, reza.user, until)
            case "restrict":
                await house.membership.restrict(sara.caller, chat, reza.user, NOTHING)
            case _:
                await house.groups.edit(sara.caller, chat, Edit(permissions=NOTHING))
        assert isinstance(await written(house, waiting), refusal)
        page = await house.syncing.history(sara.caller, History(chat=chat))
        bodies = [MSGPACK.decode_event(event) for event in page.events]
        assert "سلام" not in str(bodies)


async def test_who_came_between_check_and_commit_is_told(
    settings: Settings, database: Database, clock: FakeClock, three: Three
) -> None:
    sara, reza, mina = three
    async with open_house(settings, database, clock, is_writing=False) as house:
        chat = await house.found(sara.caller, [reza.user])
        waiting = await house.submit(reza.caller, chat)
        await house.membership.add(sara.caller, chat, [mina.user])
        appended = await written(house, waiting)
        assert isinstance(appended, Appended)
        await eventually(lambda: appended.seq in heard_by(house, mina))
        assert heard_by(house, mina) == [appended.seq - 1, appended.seq]


async def test_a_gateway_that_missed_every_announcement_refuses_all_the_same(
    settings: Settings, database: Database, clock: FakeClock, three: Three
) -> None:
    sara, reza, mina = three
    async with (
        open_house(settings, database, clock) as here,
        open_house(settings, database, clock) as deaf,
    ):
        chat = await here.found(sara.caller, [reza.user, mina.user])
        await deaf.say(reza.caller, chat)  # remembers that he may
        await here.membership.remove(sara.caller, chat, reza.user)
        with pytest.raises(ChatNotFound):
            await deaf.say(reza.caller, chat)
        appended = await deaf.say(mina.caller, chat)
        await eventually(lambda: appended.seq in heard_by(deaf, sara))
        assert appended.seq not in heard_by(deaf, reza)


async def test_messages_of_one_sender_keep_their_order_through_changes(
    settings: Settings, database: Database, clock: FakeClock, three: Three
) -> None:
    sara, reza, mina = three
    async with (
        open_house(settings, database, clock) as here,
        open_house(settings, database, clock) as deaf,
    ):
        chat = await here.found(sara.caller, [reza.user])
        futures = []
        for number in range(60):
            futures.append(await deaf.submit(reza.caller, chat, str(number)))
            if number % 10 == 5:
                await here.membership.add(sara.caller, chat, [mina.user])
                await here.membership.remove(sara.caller, chat, mina.user)
        seqs = [(await future).seq for future in futures]
        assert seqs == sorted(seqs)
        await eventually(lambda: seqs[-1] in heard_by(deaf, sara))
        assert [seq for seq in heard_by(deaf, sara) if seq in seqs] == seqs


async def test_a_private_chat_is_never_checked_again(
    settings: Settings, database: Database, clock: FakeClock, three: Three
) -> None:
    sara, reza, _ = three
    async with open_house(settings, database, clock) as house:
        chat = await house.chats.open_private(sara.caller, user=reza.user, phone=None)
        for _ in range(3):
            await house.say(sara.caller, chat.chat)
        house.rights.forget_all()
        assert (await house.say(reza.caller, chat.chat)).seq == 4


async def test_slow_mode_holds_over_two_gateways_and_over_each_without_redis(
    settings: Settings, database: Database, clock: FakeClock, three: Three
) -> None:
    sara, reza, _ = three
    nowhere = RedisSettings(url="unix:///nonexistent/valkey.sock")
    async with (
        open_house(settings, database, clock) as one,
        open_house(settings, database, clock) as other,
        open_house(settings, database, clock, redis_settings=nowhere) as cut_off,
    ):
        chat = await one.found(sara.caller, [reza.user])
        await one.groups.edit(sara.caller, chat, Edit(slow_mode_s=60))
        await one.say(reza.caller, chat)
        for house in (one, other):
            with pytest.raises(SlowMode) as refusal:
                await house.say(reza.caller, chat)
            assert 0 < (refusal.value.retry_after_s or 0) <= 60
        await cut_off.say(reza.caller, chat)
        with pytest.raises(SlowMode):
            await cut_off.say(reza.caller, chat)
