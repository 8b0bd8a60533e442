"""The worker's sweep: what has had its time goes, round after round, whatever fails."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime, timedelta

import pytest

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.return_keys import random_key
from hodhod_server.domain.tries import Allowance
from hodhod_server.services.expiry import Expiry
from hodhod_server.services.finished_files import FinishedFiles
from hodhod_server.services.uploads import NewUpload, Uploads
from hodhod_server.settings import MediaSettings, ProcessingSettings
from hodhod_server.store import device_links, devices, return_keys, sweeps, tries
from hodhod_server.store.database import Database
from hodhod_server.telemetry import metrics
from hodhod_server.workers.sweeps import Sweeper
from tests.clock import FakeClock
from tests.memory_blobs import MemoryBlobs
from tests.people import People

KEPT = timedelta(days=2)
NEW_CHALLENGE = """
INSERT INTO challenges (challenge_id, phone_hash, phone_encrypted, device_name, platform, locale,
                        key_epoch, created_at)
VALUES ($1, '', '', '', '', '', 0, $2)"""


async def add_challenges(database: Database, created_at: datetime, count: int) -> None:
    async with database.connection() as connection:
        rows = [(secrets.token_hex(8), created_at) for _ in range(count)]
        await connection.executemany(NEW_CHALLENGE, rows)


async def count(database: Database, table: str) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


async def test_challenges_are_kept_for_two_days(database: Database, clock: FakeClock) -> None:
    await add_challenges(database, clock.now() - KEPT - timedelta(seconds=1), 2300)
    await add_challenges(database, clock.now() - KEPT + timedelta(seconds=1), 2)
    expiry = Expiry(database, clock, sends_kept_days=30)
    assert await expiry.forget_challenges() == 2300
    assert await count(database, "challenges") == 2
    assert await expiry.forget_challenges() == 0


async def test_refresh_tokens_are_kept_while_they_work(
    database: Database, clock: FakeClock, people: People
) -> None:
    person = await people.new()
    async with database.connection() as connection:
        for offset_s in (-1, 0, 1):
            expires_at = clock.now() + timedelta(seconds=offset_s)
            await devices.insert_token(
                connection,
                person.device,
                secrets.token_bytes(32),
                now=clock.now(),
                expires_at=expires_at,
            )
    assert await Expiry(database, clock, sends_kept_days=30).forget_refresh_tokens() == 1
    assert await count(database, "refresh_tokens") == 2


async def test_what_lets_in_or_counts_no_more_is_forgotten(
    database: Database, clock: FakeClock, people: People
) -> None:
    person, expiry = await people.new(), Expiry(database, clock, sends_kept_days=30)
    async with database.connection() as connection:
        for _ in range(3):
            await tries.take(connection, b"x", Allowance(3, 60.0), clock.now())
        await tries.take(connection, b"y", Allowance(3, 60.0), clock.now())
        ends_at = clock.now() + timedelta(seconds=100)
        await return_keys.add_logout(connection, person.user, random_key(), clock.now(), ends_at)
        await return_keys.set_recovery(connection, person.user, random_key(), clock.now())
        await device_links.approve(connection, "link", person.user, clock.now())
    clock.advance(170)
    assert await expiry.forget_tries() == 1
    assert await expiry.forget_return_keys() == 1
    assert await expiry.forget_device_links() == 0
    clock.advance(11)
    assert await expiry.forget_tries() == 1
    clock.advance(86_400)
    assert await expiry.forget_device_links() == 1
    assert await expiry.forget_return_keys() == 0


async def test_two_workers_share_the_work(database: Database, clock: FakeClock) -> None:
    await add_challenges(database, clock.now() - 2 * KEPT, 10)
    async with database.transaction() as one, database.transaction() as two:
        assert await sweeps.delete_challenges(one, clock.now() - KEPT, 6) == 6
        assert await sweeps.delete_challenges(two, clock.now() - KEPT, 9) == 4


async def until_none_is_left(database: Database) -> None:
    async with asyncio.timeout(5):
        while True:
            if not await count(database, "challenges"):
                return
            await asyncio.sleep(0.01)


class Failing(Expiry):
    """Expiry on a bad day."""

    async def forget_challenges(self) -> int:
        raise RuntimeError("a bad day")


async def test_a_sweep_removes_every_kind_and_survives_what_fails(
    database: Database, clock: FakeClock, people: People
) -> None:
    blobs, settings = MemoryBlobs(), MediaSettings()
    uploads = Uploads(database, blobs, clock, settings)
    files = FinishedFiles(database, blobs, clock, ProcessingSettings())
    person = await people.new()
    await uploads.create(person.user, NewUpload(length_bytes=1, name="a", content_type="a/b"))
    await add_challenges(database, clock.now() - 2 * KEPT, 3)
    clock.advance(settings.upload_expiry_s)
    swept = metrics.SWEPT.labels("challenge")
    before = swept._value.get()
    await Sweeper(uploads, Failing(database, clock, sends_kept_days=30), files, every_s=60).sweep()
    assert not blobs.written, "uploads were swept although challenges failed"
    assert await count(database, "challenges") == 3
    await Sweeper(uploads, Expiry(database, clock, sends_kept_days=30), files, every_s=60).sweep()
    assert await count(database, "challenges") == 0
    assert swept._value.get() - before == 3


async def test_it_runs_again_and_again(database: Database, clock: Clock) -> None:
    uploads = Uploads(database, MemoryBlobs(), clock, MediaSettings())
    files = FinishedFiles(database, MemoryBlobs(), clock, ProcessingSettings())
    sweeper = Sweeper(uploads, Expiry(database, clock, sends_kept_days=30), files, every_s=0.01)
    running = asyncio.create_task(sweeper.run())
    for _ in range(2):
        await add_challenges(database, clock.now() - 2 * KEPT, 1)
        await until_none_is_left(database)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
