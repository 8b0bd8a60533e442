"""Who died and who left: the others sync for the one and not for the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.register import Register
from hodhod_server.domain.ids import GatewayId
from hodhod_server.settings import RedisSettings
from tests.cluster.conftest import Listener, at_work
from tests.eventually import eventually

ONE, OTHER = GatewayId("one"), GatewayId("other")


@contextlib.asynccontextmanager
async def gateway(
    settings: RedisSettings, name: GatewayId, listener: Listener
) -> AsyncIterator[Register]:
    """A gateway on the bus and in the register; at the end of the block it is dead."""
    channel = f"{settings.prefix}:gateway:{name}"
    async with open_redis(settings) as own:
        broker = RedisBroker(own, settings.prefix, name)
        register = Register(own, settings.prefix, name, broker)

        async def run() -> None:
            await broker.run(listener)

        async with at_work(run), asyncio.timeout(10):
            while dict(await own.pubsub_numsub(channel))[channel.encode()] == 0:
                await own.ping()
            await register.look_round()
            yield register


async def test_for_a_gateway_that_died_everybody_syncs_once(redis_settings: RedisSettings) -> None:
    here = Listener()
    async with gateway(redis_settings, ONE, here) as one:
        async with gateway(redis_settings, OTHER, Listener()):
            await one.look_round()
        assert here.gaps == 0, "nobody has died yet"
        await one.look_round()
        await eventually(lambda: here.gaps == 1)
        await one.look_round()
        async with gateway(redis_settings, OTHER, Listener()) as again:
            await again.look_round()
            assert here.gaps == 1


async def test_a_successor_misses_the_dead_at_its_start(redis_settings: RedisSettings) -> None:
    here = Listener()
    async with gateway(redis_settings, ONE, here):
        async with gateway(redis_settings, OTHER, Listener()):
            pass
        async with gateway(redis_settings, GatewayId("successor"), Listener()):
            await eventually(lambda: here.gaps == 1)


async def test_for_a_gateway_that_leaves_nobody_syncs(redis_settings: RedisSettings) -> None:
    here = Listener()
    published = iter([False, False, True])
    async with gateway(redis_settings, ONE, here) as one:
        async with gateway(redis_settings, OTHER, Listener()) as other:
            await other.leave(lambda: next(published))
            await other.look_round()
        assert next(published, None) is None, "it waited until everything was published"
        await one.look_round()
        async with gateway(redis_settings, GatewayId("successor"), Listener()):
            pass
    assert here.gaps == 0


async def test_a_gateway_that_cannot_publish_everything_counts_as_dead(
    redis_settings: RedisSettings,
) -> None:
    here = Listener()
    async with gateway(redis_settings, ONE, here) as one:
        async with gateway(redis_settings, OTHER, Listener()) as other:
            await other.leave(lambda: False)
        await one.look_round()
        await eventually(lambda: here.gaps == 1)


@pytest.mark.parametrize("was_lost", ["sign of life", "everything"])
async def test_what_the_store_forgets_is_written_again(
    redis: Redis, redis_settings: RedisSettings, was_lost: str
) -> None:
    here = Listener()
    async with gateway(redis_settings, ONE, here) as one:
        async with gateway(redis_settings, OTHER, Listener()) as other:
            prefix = redis_settings.prefix
            lost = [f"{prefix}:gateway:{OTHER}:alive"]
            if was_lost == "everything":
                lost += [f"{prefix}:gateways:at-work"]
            await redis.delete(*lost)
            await other.look_round()
            await one.look_round()
        assert here.gaps == 0
        await one.look_round()
        await eventually(lambda: here.gaps == 1)


async def test_a_host_that_vanished_is_missed_when_its_sign_of_life_is_over(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    here = Listener()
    async with (
        gateway(redis_settings, ONE, here) as one,
        gateway(redis_settings, OTHER, Listener()),
    ):
        await redis.delete(f"{redis_settings.prefix}:gateway:{OTHER}:alive")
        await one.look_round()
        await eventually(lambda: here.gaps == 1)
