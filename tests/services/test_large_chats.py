"""Chats that outgrow their roster, and what things cost in one with 200,000 members."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from hodhod_server.domain.chat_limits import BROADCAST_MEMBERS, GROUP_MEMBERS_MAX
from hodhod_server.domain.errors import ChatNotFound, LimitReached
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.permissions import NOTHING, Permission
from hodhod_server.services.groups import Edit
from hodhod_server.services.invites import NewLink
from hodhod_server.settings import Settings
from hodhod_server.store import members, rights
from hodhod_server.store.database import Database
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Changed, Joined, Message
from hodhod_wire.frames import History
from tests.client_model import ClientModel
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.house import House, open_house
from tests.people import People, Person

MANY = 200_000
COUNTED = (
    "users chats groups members bans invite_links join_requests messages post_views private_chats"
)
BEGIN_COUNTING = """
CREATE SEQUENCE rows_written;
CREATE FUNCTION count_row() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM nextval('rows_written'); RETURN NULL; END $$;
"""
COUNT_TABLE = """
CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION count_row()
"""
MAKE_USERS = """
INSERT INTO users (phone_hash, phone_encrypted, name, created_at)
SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), '', 'n', now() FROM generate_series(1, $1::int) AS n
RETURNING user_id
"""
FILL = """
INSERT INTO members (chat_id, user_id, joined_at, is_broadcast)
SELECT $1, user_id, now(), true FROM users WHERE name = 'n'
"""
COUNT = """
UPDATE groups SET member_count = (SELECT count(*) FROM members WHERE chat_id = $1)
WHERE chat_id = $1
"""


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def house(settings: Settings, database: Database, clock: FakeClock) -> AsyncIterator[House]:
    async with open_house(settings, database, clock) as opened:
        yield opened


async def make_users(database: Database, count: int) -> list[UserId]:
    async with database.transaction() as tx:
        await tx.execute("SET LOCAL statement_timeout = 0")
        rows = await tx.fetch(MAKE_USERS, count, timeout=50)
        await tx.execute("ANALYZE users")
    return [row["user_id"] for row in rows]


async def last_bodies(house: House, who: Person, chat: ChatId) -> list[object]:
    page = await house.syncing.history(who.caller, History(chat=chat))
    events = [MSGPACK.decode_event(event) for event in page.events]
    return [event.body for event in events if isinstance(event, Message)]


async def test_a_group_that_outgrows_its_roster_is_broadcast_for_good(
    house: House, database: Database, people: People
) -> None:
    sara, reza = await people.new(), await people.new()
    users = await make_users(database, BROADCAST_MEMBERS - 1)
    chat = await house.found(sara.caller)
    for start in range(0, len(users), 200):
        await house.membership.add(sara.caller, chat, users[start : start + 200])
    assert not (await house.chats.get(sara.caller, chat)).broadcast
    assert len((await house.rights.require_member(sara.user, chat)).chat.users) == BROADCAST_MEMBERS
    await house.settled()
    hers = await ClientModel.synced(house.syncing, sara.caller)
    house.pushed.envelopes.clear()
    await house.membership.add(sara.caller, chat, [reza.user])
    await house.settled()
    for envelope in house.pushed.envelopes:
        await hers.take(envelope)
    assert hers.state() == (await ClientModel.synced(house.syncing, sara.caller)).state()
    assert await last_bodies(house, reza, chat) == [
        *(await last_bodies(house, sara, chat))[:-2],
        Joined([reza.user]),
        Changed(broadcast=True),
    ]
    assert (await house.chats.get(reza.caller, chat)).broadcast
    assert (await house.rights.require_member(sara.user, chat)).chat.users == ()
    async with database.connection() as connection:
        where = await rights.broadcast_chats_of(connection, [sara.user, reza.user])
    assert sorted(where) == [(sara.user, chat), (reza.user, chat)]
    house.pushed.envelopes.clear()
    appended = await house.say(reza.caller, chat)
    await eventually(lambda: bool(house.pushed.envelopes))
    assert [(one.users, one.chat) for one in house.pushed.envelopes] == [((), chat)]
    await house.membership.remove(sara.caller, chat, reza.user)
    assert (await house.chats.get(sara.caller, chat)).broadcast
    assert (await house.chats.get(sara.caller, chat)).last_seq == appended.seq, "nobody is told"


@pytest.fixture
async def crowd(house: House, database: Database, people: People) -> tuple[Person, Person, ChatId]:
    """A group of 200,002: its owner, a member, and many."""
    sara, reza = await people.new(), await people.new()
    chat = await house.found(sara.caller, [reza.user])
    await make_users(database, MANY)
    async with database.transaction() as tx:
        # Nobody's references are checked, and nothing is given up on: this is a lot at once.
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute("SET LOCAL statement_timeout = 0")
        await tx.execute("UPDATE chats SET is_broadcast = true WHERE chat_id = $1", chat)
        await tx.execute("UPDATE members SET is_broadcast = true WHERE chat_id = $1", chat)
        await tx.execute(FILL, chat, timeout=50)
        await tx.execute(COUNT, chat)
    async with database.connection() as connection:
        await connection.execute("ANALYZE members")
        await connection.execute(BEGIN_COUNTING)
        for table in COUNTED.split():
            await connection.execute(COUNT_TABLE.format(table=table))
    house.rights.forget_all()
    return sara, reza, chat


async def rows_written(database: Database) -> int:
    """Rows written since the counting began, by anybody, committed or not."""
    async with database.connection() as connection:
        return int(await connection.fetchval("SELECT nextval('rows_written')"))


async def require_index_scans(database: Database, user: UserId, chat: ChatId) -> None:
    """What is read of a crowd is found by an index."""
    asked: dict[str, tuple[object, ...]] = {
        rights.BROADCAST_CHATS_OF: ([user],),
        members.PAGE: (chat, MANY // 2, 200),
        members.PAGE_OF_ADMINS: (chat, 0, 200),
        members.COUNT_ADMINS: (chat,),
    }
    async with database.connection() as connection:
        for statement, arguments in asked.items():
            rows = await connection.fetch(f"EXPLAIN {statement}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan" not in plan, plan


async def test_in_a_crowd_everything_touches_a_handful_of_rows(
    house: House,
    database: Database,
    clock: FakeClock,
    crowd: tuple[Person, Person, ChatId],
    people: People,
) -> None:
    sara, reza, chat = crowd
    until = clock.now() + timedelta(hours=1)
    mina = await people.new()
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE groups SET member_count = member_count - 1000 WHERE chat_id = $1", chat
        )
    token = (await house.invites.create(sara.caller, chat, NewLink())).token
    things: list[Callable[[], Awaitable[object]]] = [
        lambda: house.say(reza.caller, chat),
        lambda: house.invites.join(mina.caller, token),
        lambda: house.membership.leave(mina.caller, chat),
        lambda: house.membership.add(sara.caller, chat, [mina.user]),
        lambda: house.membership.mute(sara.caller, chat, mina.user, until),
        lambda: house.membership.restrict(sara.caller, chat, mina.user, NOTHING),
        lambda: house.membership.appoint(sara.caller, chat, mina.user, Permission.POST),
        lambda: house.membership.dismiss(sara.caller, chat, mina.user),
        lambda: house.groups.edit(sara.caller, chat, Edit(permissions=NOTHING, slow_mode_s=5)),
        lambda: house.membership.ban(sara.caller, chat, mina.user, None),
        lambda: house.positions.mark(reza.caller, chat, read=1),
        lambda: house.typing.hint(reza.caller, chat),
        lambda: house.groups.hand_over(sara.caller, chat, reza.user),
        lambda: house.membership.leave(sara.caller, chat),
    ]
    house.pushed.envelopes.clear()
    before = await rows_written(database)
    for thing in things:
        await thing()
        after = await rows_written(database)
        assert after - before - 1 <= 7, "chat, version, group, member, ban, notice: a handful"
        before = after
    await require_index_scans(database, reza.user, chat)
    named = sum(len(envelope.users) for envelope in house.pushed.envelopes)
    assert named <= 2 * len(things), "nobody is named who is not concerned"


async def test_a_full_group_takes_nobody_and_a_channel_everybody(
    house: House, database: Database, people: People
) -> None:
    sara, reza = await people.new(), await people.new()
    for kind in ("group", "channel"):
        chat = await house.found(sara.caller, kind=kind)
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE groups SET member_count = $2 WHERE chat_id = $1", chat, GROUP_MEMBERS_MAX
            )
        if kind == "channel":
            await house.membership.add(sara.caller, chat, [reza.user])
            continue
        with pytest.raises(LimitReached):
            await house.membership.add(sara.caller, chat, [reza.user])
        with pytest.raises(ChatNotFound):
            await house.chats.get(reza.caller, chat)
