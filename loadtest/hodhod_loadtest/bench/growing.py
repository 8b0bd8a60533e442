"""A server that has been used for years: history and chats written straight into its database."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench.people import Pair, Person
from hodhod_server.settings import DatabaseSettings
from hodhod_server.store.database import Tx, open_database

PATIENCE_S: Final = 3600
FIRST_CLIENT_ID: Final = 1 << 40  # far from those of measured messages
ROWS_AT_ONCE: Final = 1_000_000
_HISTORY: Final = """
WITH numbered AS (
    SELECT c.chat_id, c.last_seq, w.writer, n
    FROM unnest($1::bigint[], $2::bigint[]) AS w (chat_id, writer)
    JOIN chats AS c USING (chat_id), generate_series(1, $3::bigint) AS n
), written AS (
    INSERT INTO messages (chat_id, seq, sender_id, client_id, sent_at, body)
    SELECT chat_id, last_seq + n, writer, $4 + n, now(), decode(repeat('00', 110), 'hex')
    FROM numbered ORDER BY n, chat_id
)
UPDATE chats SET last_seq = last_seq + $3 WHERE chat_id = ANY ($1)
"""
_CHATS: Final = """
WITH opened AS (
    INSERT INTO chats (kind, created_at) SELECT 'private', now() FROM generate_series(1, $2::bigint)
    RETURNING chat_id
)
INSERT INTO members (chat_id, user_id)
SELECT chat_id, ($1::bigint[])[1 + (2 * chat_id + side) % cardinality($1::bigint[])]
FROM opened, generate_series(0, 1) AS side
"""


@contextlib.asynccontextmanager
async def database_of(data_dir: Path) -> AsyncIterator[Tx]:
    """A connection to the private server's database, on which statements may take their time."""
    told = json.loads((data_dir / "processes.json").read_bytes())
    settings = DatabaseSettings(url=told["database_url"], statement_timeout_s=PATIENCE_S)
    async with open_database(settings, "bench") as database, database.connection() as connection:
        yield connection


async def history(data_dir: Path, pairs: Sequence[Pair], count: int) -> None:
    """So many messages in the pairs' chats together."""
    chats = [pair.chat for pair in pairs]
    writers = [pair.writer.user for pair in pairs]
    async with database_of(data_dir) as connection:
        written, each = 0, max(1, min(count, ROWS_AT_ONCE) // len(pairs))
        while written < count:
            first = FIRST_CLIENT_ID + written
            await connection.execute(_HISTORY, chats, writers, each, first, timeout=PATIENCE_S)
            written += each * len(pairs)
        await _settle(connection)


async def chats(data_dir: Path, people: Sequence[Person], count: int) -> None:
    """So many chats of two among the people, nothing in them."""
    users = [person.user for person in people]
    async with database_of(data_dir) as connection:
        await connection.execute(_CHATS, users, count, timeout=PATIENCE_S)
        await _settle(connection)


async def _settle(connection: Tx) -> None:
    """Do now what PostgreSQL would otherwise do during the measurement."""
    await connection.execute("VACUUM (ANALYZE)", timeout=PATIENCE_S)
    await connection.execute("CHECKPOINT", timeout=PATIENCE_S)
