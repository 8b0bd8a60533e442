"""The sign-up role in this process, over the session's real engines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from hodhod_server import app
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import Presence
from hodhod_server.domain.addresses import Networks
from hodhod_server.domain.ids import GatewayId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.account_notices import NobodyHere
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.newcomers import build_newcomers, lay_ground
from hodhod_server.services.provider_arrivals import ProviderArrivals
from hodhod_server.services.returning import new_returning
from hodhod_server.services.sessions import NoAnnouncer, Sessions
from hodhod_server.settings import Settings, SignupSettings
from hodhod_server.signup_api.routes import add_gate, add_signup_api
from hodhod_server.sms.provider import Provider
from hodhod_server.store.database import Database
from hodhod_server.web.serving import new_app
from tests.clock import FakeClock
from tests.doors import WIDE_OPEN, gatekeeper_of
from tests.newcomers import Door, Newcomer


class House(NamedTuple):
    """A sign-up role, and where its carriers tell what they have."""

    door: Door
    arrivals: ProviderArrivals


class OpenDoor(Protocol):
    """Opens the role over these carriers."""

    def __call__(
        self, *providers: Provider, **changed: Any
    ) -> AbstractAsyncContextManager[House]: ...


@contextlib.asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[Door]:
    """As `web/serving.py` does it: without aiohttp's access log."""
    server = TestServer(application)
    await server.start_server(access_log=None)
    async with TestClient(server) as client:
        yield client


@contextlib.asynccontextmanager
async def running(loops: Sequence[app.Loop]) -> AsyncIterator[None]:
    """Background loops, while the block runs. What fails in it is raised as it is."""
    group = asyncio.TaskGroup()
    await group.__aenter__()
    tasks = [group.create_task(_forever(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await group.__aexit__(None, None, None)


async def _forever(loop: app.Loop) -> None:
    await loop()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a door that lets everybody in: these tests are about what is behind it."""
    return settings.model_copy(update={"door": WIDE_OPEN})


@pytest.fixture
async def door(settings: Settings, clock: FakeClock) -> AsyncIterator[Door]:
    """The role as it is served."""
    async with (
        app.signup(settings, clock) as parts,
        running(parts.loops),
        served(parts.app) as opened,
    ):
        yield opened


@pytest.fixture
def newcomer(door: Door, clock: FakeClock) -> Newcomer:
    """Somebody new."""
    return Newcomer(door, clock)


@pytest.fixture
def open_door(settings: Settings, clock: FakeClock, database: Database, keys: Keys) -> OpenDoor:
    """Opens the role with other carriers than the console, and these settings of sign-up."""

    @contextlib.asynccontextmanager
    async def open_with(*providers: Provider, **changed: Any) -> AsyncIterator[House]:
        own = settings.model_copy(update={"signup": SignupSettings(**changed)})
        sessions = Sessions(database, keys, clock, own.security, NoAnnouncer())
        ground = lay_ground(own, database, clock)
        named = {provider.terms.name: provider for provider in providers}
        async with open_redis(settings.redis) as redis:
            broker = RedisBroker(redis, settings.redis.prefix, GatewayId("test"))
            delivery = Delivery(broker, NobodyHere())
            returning = new_returning(database, keys, clock, own.returning, sessions, delivery)
            newcomers = build_newcomers(
                own, ground, returning.entrance, named, Presence(redis, settings.redis.prefix)
            )
            application = new_app()
            add_signup_api(application, newcomers.signup, newcomers.proving, returning)
            add_gate(application, gatekeeper_of(settings.door, keys, clock), Networks(()))
            async with running(newcomers.loops), served(application) as opened:
                yield House(opened, ground.arrivals)

    return open_with


@pytest.fixture
async def gate(settings: Settings, clock: FakeClock) -> AsyncIterator[Door]:
    """A gateway, asked over HTTP by those who are signed in."""
    async with app.gateway(settings, clock) as parts, served(parts.app) as opened:
        yield opened
