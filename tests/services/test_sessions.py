"""Sessions as a gateway uses them: who is let in, and who no longer is."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import structlog

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.domain.errors import DeviceNotFound, RefreshTokenInvalid, Unauthenticated
from hodhod_server.domain.ids import DeviceId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.refresh_tokens import random_token
from hodhod_server.domain.tokens import mint_access_token
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.settings import DatabaseSettings, SecuritySettings
from hodhod_server.store import accounts
from hodhod_server.store.database import Database, open_database
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.people import People


class Announcements:
    """Remembers what was announced; with `is_down`, nobody hears it."""

    def __init__(self) -> None:
        self.ended: list[DeviceId] = []
        self.is_down = False

    async def announce_end(self, device: DeviceId) -> None:
        if self.is_down:
            raise BrokerUnavailable
        self.ended.append(device)


class Bench:
    """One database, and as many processes on it as a test wants."""

    def __init__(self, database: Database, keys: Keys, clock: FakeClock) -> None:
        self.database = database
        self.keys = keys
        self.clock = clock
        self.people = People(database, keys, clock)
        self.announcements = Announcements()
        self.here = self.process()

    def process(self, database: Database | None = None) -> Sessions:
        """Another process's view."""
        return Sessions(
            database or self.database, self.keys, self.clock, SecuritySettings(), self.announcements
        )


@pytest.fixture
def bench(database: Database, keys: Keys, clock: FakeClock) -> Bench:
    return Bench(database, keys, clock)


@contextlib.asynccontextmanager
async def _running(sessions: Sessions) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(sessions.run(look_s=0.02))
        yield
        loop.cancel()


def _is_let_in(sessions: Sessions, token: str) -> bool:
    try:
        sessions.authenticate(token)
    except Unauthenticated:
        return False
    return True


async def _until_shut_out(sessions: Sessions, token: str) -> None:
    await eventually(lambda: not _is_let_in(sessions, token))


async def test_a_token_proves_its_caller_until_it_expires(bench: Bench) -> None:
    sara = await bench.people.new()
    assert bench.here.authenticate(sara.token) == sara.caller
    bench.clock.advance(900)
    assert not _is_let_in(bench.here, sara.token)


@pytest.mark.parametrize("token", ["", ".", "x.y", "🦎", "A" * 1000, "\udc80"])
async def test_what_is_no_token_lets_nobody_in(bench: Bench, token: str) -> None:
    assert not _is_let_in(bench.here, token)


async def test_a_token_of_another_installation_lets_nobody_in(bench: Bench) -> None:
    sara = await bench.people.new()
    forged = mint_access_token(
        bench.keys.refresh_token, sara.caller, bench.clock.now() + timedelta(hours=1)
    )
    assert not _is_let_in(bench.here, forged)


async def test_people_see_their_signed_in_devices_only(bench: Bench) -> None:
    sara, reza = await bench.people.new(), await bench.people.new()
    phone = await bench.people.another_device(sara.user)
    assert [item.device for item in await bench.here.list_devices(sara.caller)] == [
        sara.device,
        phone.device,
    ]
    await bench.here.end(sara.caller, sara.device)
    assert [item.device for item in await bench.here.list_devices(phone.caller)] == [phone.device]
    assert [item.device for item in await bench.here.list_devices(reza.caller)] == [reza.device]


async def test_an_ended_session_is_shut_out_at_once_and_announced(bench: Bench) -> None:
    sara = await bench.people.new()
    phone = await bench.people.another_device(sara.user)
    told: list[DeviceId] = []
    bench.here.when_ended(told.append)
    await bench.here.end(sara.caller, phone.device)
    assert not _is_let_in(bench.here, phone.token)
    assert _is_let_in(bench.here, sara.token)
    assert bench.announcements.ended == told == [phone.device]


async def test_only_ones_own_signed_in_devices_can_be_ended(bench: Bench) -> None:
    sara, reza = await bench.people.new(), await bench.people.new()
    for device in (reza.device, DeviceId(999_999)):
        with pytest.raises(DeviceNotFound):
            await bench.here.end(sara.caller, device)
    await bench.here.end(sara.caller, sara.device)
    with pytest.raises(DeviceNotFound):
        await bench.here.end(sara.caller, sara.device)
    assert _is_let_in(bench.here, reza.token)
    assert bench.announcements.ended == [sara.device]


async def test_the_refresh_tokens_of_an_ended_session_are_gone(bench: Bench) -> None:
    sara = await bench.people.new()
    token = random_token()
    async with bench.database.transaction() as tx:
        user = await accounts.load_user(tx, sara.user)
        await bench.here.issue(tx, user, sara.device, token)
    assert (await bench.here.refresh(token.text)).device == sara.device
    await bench.here.end(sara.caller, sara.device)
    with pytest.raises(RefreshTokenInvalid):
        await bench.here.refresh(token.text)


async def test_another_process_shuts_out_whom_it_is_told_of(bench: Bench) -> None:
    sara, elsewhere = await bench.people.new(), bench.process()
    elsewhere.note_ended(sara.device)
    assert not _is_let_in(elsewhere, sara.token)


async def test_an_end_that_could_not_be_announced_holds_and_is_found_by_looking(
    bench: Bench,
) -> None:
    bench.announcements.is_down = True
    sara, elsewhere = await bench.people.new(), bench.process()
    told: list[DeviceId] = []
    elsewhere.when_ended(told.append)
    await bench.here.end(sara.caller, sara.device)
    assert not _is_let_in(bench.here, sara.token)
    assert _is_let_in(elsewhere, sara.token)
    async with _running(elsewhere):
        await _until_shut_out(elsewhere, sara.token)
    assert told == [sara.device]


async def test_a_process_that_starts_knows_the_ends_whose_tokens_still_live(bench: Bench) -> None:
    sara, reza = await bench.people.new(), await bench.people.new()
    await bench.here.end(sara.caller, sara.device)
    bench.clock.advance(899)
    await bench.here.end(reza.caller, reza.device)
    started = bench.process()
    async with _running(started):
        await _until_shut_out(started, sara.token)
        assert not _is_let_in(started, reza.token)


async def test_what_has_expired_by_itself_is_forgotten(bench: Bench) -> None:
    sara = await bench.people.new()
    await bench.here.end(sara.caller, sara.device)
    bench.clock.advance(1000)
    later = mint_access_token(
        bench.keys.access_token, sara.caller, bench.clock.now() + timedelta(seconds=900)
    )
    assert not _is_let_in(bench.here, later)
    async with _running(bench.here):
        await eventually(lambda: _is_let_in(bench.here, later))


async def test_looking_goes_on_when_the_database_was_away(
    bench: Bench, database_settings: DatabaseSettings
) -> None:
    """A statement that runs into its time limit stands for a database that is not there."""
    sara = await bench.people.new()
    await bench.here.end(sara.caller, sara.device)
    impatient = dataclasses.replace(database_settings, statement_timeout_s=0.05)
    async with open_database(impatient, "impatient") as database:
        elsewhere = bench.process(database)
        async with AsyncExitStack() as stack:
            events = stack.enter_context(structlog.testing.capture_logs())
            async with bench.database.transaction() as tx:
                await tx.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
                await stack.enter_async_context(_running(elsewhere))
                await eventually(lambda: "sessions.look_failed" in str(events))
                assert _is_let_in(elsewhere, sara.token)
            await _until_shut_out(elsewhere, sara.token)


def test_a_process_without_a_bus_tells_nobody() -> None:
    asyncio.run(NoAnnouncer().announce_end(DeviceId(1)))
