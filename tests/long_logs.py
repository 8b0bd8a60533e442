"""Rows that would take long to come by in the ordinary way: long logs, and people with many chats.

Always true: rows are as the server itself would have written them, so that it can go on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.permissions import Permission
from hodhod_server.store.database import Database, Tx
from hodhod_wire.codec import MSGPACK
from hodhod_wire.events import Text

BODY: Final = MSGPACK.encode(Text(text="سلام، دلم برایت تنگ شده بود"))
LONG_AGO: Final = timedelta(days=1)
CLIENT_IDS: Final = 10**6  # a message's client_id here: its chat's id times this, plus its seq
INSERT_PEOPLE: Final = """
    INSERT INTO users (phone_hash, phone_encrypted, name, created_at)
    SELECT decode(md5($2 || n::text), 'hex'), '', 'همه', now() FROM generate_series(1, $1) AS n
    RETURNING user_id
"""
INSERT_CHATS: Final = """
    WITH made AS (
        INSERT INTO chats (kind, created_at) SELECT 'private', now() FROM unnest($2::bigint[])
        RETURNING chat_id
    ), paired AS (
        SELECT made.chat_id, other.user_id
        FROM (SELECT chat_id, row_number() OVER (ORDER BY chat_id) AS n FROM made) AS made
        JOIN unnest($2::bigint[]) WITH ORDINALITY AS other (user_id, n) USING (n)
    ), pairs AS (
        INSERT INTO private_chats (first_user_id, second_user_id, chat_id)
        SELECT least($1, user_id), greatest($1, user_id), chat_id FROM paired
    ), people AS (
        INSERT INTO members (chat_id, user_id, changed_at)
        SELECT chat_id, user_id, now() - interval '1 day' FROM paired
        UNION ALL SELECT chat_id, $1, now() - interval '1 day' FROM paired
    )
    SELECT chat_id, user_id FROM paired ORDER BY chat_id
"""
INSERT_GROUP: Final = """
    WITH made AS (
        INSERT INTO chats (kind, created_at, is_broadcast) VALUES ('group', now(), $2)
        RETURNING chat_id
    ), described AS (
        INSERT INTO groups (chat_id, title, permissions, member_count)
        SELECT chat_id, 'کوه', $3, cardinality($1::bigint[]) FROM made
    )
    INSERT INTO members (chat_id, user_id, is_broadcast)
    SELECT chat_id, unnest($1::bigint[]), $2 FROM made
    RETURNING chat_id
"""
INSERT_MESSAGES: Final = f"""
    WITH advanced AS (
        UPDATE chats SET last_seq = last_seq + $3, last_at = now() - $5::interval
        WHERE chat_id = ANY ($1::bigint[])
        RETURNING chat_id, last_seq - $3 AS base
    )
    INSERT INTO messages (chat_id, seq, sender_id, client_id, sent_at, body)
    SELECT chat_id, base + n, $2, chat_id * {CLIENT_IDS} + base + n, now() - $5, $4
    FROM advanced, generate_series(1, $3) AS n
"""


async def new_chats(database: Database, user: UserId, count: int) -> dict[int, UserId]:
    """So many private chats of somebody, each with another person whom it also makes."""
    async with database.transaction() as tx:
        others = await tx.fetch(INSERT_PEOPLE, count, f"{user}/")
        chats = await _open(tx, user, [row["user_id"] for row in others])
    async with database.connection() as connection:
        # As autovacuum does within a minute. Until then plans are made for empty tables.
        await connection.execute("ANALYZE users, chats, members, private_chats")
    return chats


async def open_chat(database: Database, user: UserId, other: UserId) -> int:
    """The private chat of two who have none."""
    async with database.transaction() as tx:
        (chat,) = await _open(tx, user, [other])
    return chat


async def new_group(database: Database, users: Sequence[UserId], *, is_broadcast: bool) -> int:
    """A group of these people, all of whom may write."""
    async with database.transaction() as tx:
        chat: int = await tx.fetchval(INSERT_GROUP, users, is_broadcast, int(Permission.POST))
    return chat


async def write(
    database: Database,
    chats: Iterable[int],
    sender: UserId,
    count: int,
    ago: timedelta = LONG_AGO,
) -> None:
    """Append so many messages of one sender to each chat. Nobody is told."""
    async with database.transaction() as tx:
        await tx.execute(INSERT_MESSAGES, list(chats), sender, count, BODY, ago)


async def _open(tx: Tx, user: UserId, others: Sequence[UserId]) -> dict[int, UserId]:
    rows = await tx.fetch(INSERT_CHATS, user, list(others))
    return {row["chat_id"]: row["user_id"] for row in rows}
