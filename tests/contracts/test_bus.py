"""What gateways rely on from Redis, asked of Valkey and of the simulation's server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster.broker import BrokerUnavailable, Envelope
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import DeviceId, GatewayId, UserId
from hodhod_server.settings import RedisSettings
from tests.cluster.conftest import Listener, at_work
from tests.eventually import eventually
from tests.simulation.processes import Process
from tests.simulation.redis import RedisServer

ONE, OTHER, NOBODY = GatewayId("one"), GatewayId("other"), GatewayId("nobody")
SARA, REZA, ALI = UserId(1), UserId(2), UserId(3)
PREFIX = "contract"
NewClient = Callable[[], Redis]


@pytest.fixture(params=["memory", "valkey"])
async def new_client(
    request: pytest.FixtureRequest, redis_settings: RedisSettings
) -> AsyncIterator[tuple[NewClient, str]]:
    """Clients of one server, and the prefix to use there."""
    if request.param == "memory":
        server = RedisServer(random.Random(1))
        yield lambda: server.client(Process("test", lambda *_: None)).as_redis, PREFIX
        return
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_redis(redis_settings)) for _ in range(3)]
        yield clients.pop, redis_settings.prefix


async def test_routes_are_added_found_and_removed(new_client: tuple[NewClient, str]) -> None:
    make, prefix = new_client
    one, other = Routing(make(), prefix, ONE), Routing(make(), prefix, OTHER)
    await one.add([SARA, REZA])
    await other.add([SARA, SARA])
    assert await one.resolve([SARA, REZA, ALI]) == {SARA: [ONE, OTHER], REZA: [ONE]}
    await one.remove([SARA, ALI])
    assert await other.resolve([SARA]) == {SARA: [OTHER]}
    await one.remove([SARA], OTHER)
    assert await one.resolve([SARA]) == {}


async def test_publications_arrive_in_order_where_they_are_sent_and_nowhere_else(
    new_client: tuple[NewClient, str],
) -> None:
    make, prefix = new_client
    one, other = RedisBroker(make(), prefix, ONE), RedisBroker(make(), prefix, OTHER)
    here, there = Listener(), Listener()
    async with at_work(partial(one.run, here)):
        for _ in range(500):
            if not await other.publish({ONE: []}):
                break
            await asyncio.sleep(0.01)
        async with at_work(partial(other.run, there)):
            await eventually(lambda: here.gaps == 1)  # the other has told that it started
            for number in range(1, 50):
                envelope = Envelope((UserId(number),), b"x")
                assert await one.publish({OTHER: [envelope], NOBODY: [envelope]}) == [NOBODY]
            await one.announce_gap([SARA, REZA])
            await one.announce_end(DeviceId(7))
            await one.announce_gap([])
            await eventually(lambda: there.gaps == 1)
            await eventually(lambda: here.gaps == 2)
    assert [envelope.users for envelope in there.envelopes] == [(n,) for n in range(1, 50)]
    assert not here.envelopes
    assert here.gaps_for == there.gaps_for == [SARA, REZA]
    assert here.ended == there.ended == [DeviceId(7)]


async def test_a_server_that_went_away_forgets_and_says_so() -> None:
    """Of the simulation's server only; for Valkey tests/cluster cuts and freezes a real line."""
    server = RedisServer(random.Random(1))
    routing = Routing(server.client(Process("test", lambda *_: None)).as_redis, PREFIX, ONE)
    await routing.add([SARA])
    server.crash()
    with pytest.raises(BrokerUnavailable):
        await routing.resolve([SARA])
    server.start()
    assert await routing.resolve([SARA]) == {}
