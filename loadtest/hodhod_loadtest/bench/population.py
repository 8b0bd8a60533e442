"""People who are on a server already, without their way through sign-up: ten thousand in seconds.

What is measured begins after them. They are written into the private server's own database, with
tokens signed by its own key; nothing of a server is replaced.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench.growing import database_of
from hodhod_loadtest.bench.people import Person
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.tokens import Caller, mint_access_token

TOKEN_LIFE: Final = timedelta(hours=2)
_INSERT: Final = """
WITH people AS (
    INSERT INTO users (phone_hash, phone_encrypted, name, created_at)
    SELECT sha256(gen_random_uuid()::text::bytea), '', 'bench', now() FROM generate_series(1, $1)
    RETURNING user_id
)
INSERT INTO devices (user_id, name, platform, created_at, last_seen_at)
SELECT user_id, 'bench', 'python', now(), now() FROM people
RETURNING user_id, device_id
"""


async def settle(data_dir: Path, count: int) -> list[Person]:
    """So many people with a device each."""
    key = Secret((data_dir / "master.key").read_bytes().strip())
    keys, expires_at = Keys.from_master(key), SystemClock().now() + TOKEN_LIFE
    async with database_of(data_dir) as connection:
        rows = await connection.fetch(_INSERT, count)
    return [
        Person(
            row["user_id"],
            mint_access_token(
                keys.access_token,
                Caller(UserId(row["user_id"]), DeviceId(row["device_id"])),
                expires_at,
            ),
        )
        for row in rows
    ]
