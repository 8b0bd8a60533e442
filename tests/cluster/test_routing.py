"""The routing table: who is where, until they leave, their gateway dies, or time passes."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import ROUTE_LIFE_S, Routing
from hodhod_server.domain.ids import GatewayId, UserId
from hodhod_server.settings import RedisSettings
from tests.cluster.cable import Cable
from tests.cluster.conftest import routes_of

SARA, REZA, ALI = UserId(1), UserId(2), UserId(3)


def routing(redis: Redis, settings: RedisSettings, gateway: str) -> Routing:
    return Routing(redis, settings.prefix, GatewayId(gateway))


async def test_a_person_is_found_on_every_gateway_they_are_on(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    one, other = (routing(redis, redis_settings, name) for name in ("one", "other"))
    await one.add([SARA, REZA])
    await other.add([SARA, SARA])
    assert await routes_of(redis, redis_settings.prefix, [SARA, REZA, ALI]) == {
        SARA: ["one", "other"],
        REZA: ["one"],
    }


async def test_leaving_one_gateway_keeps_the_other(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    one, other = (routing(redis, redis_settings, name) for name in ("one", "on"))
    await one.add([SARA])
    await other.add([SARA])
    await other.remove([SARA, ALI])
    assert await routes_of(redis, redis_settings.prefix, [SARA]) == {SARA: ["one"]}
    await one.remove([SARA])
    assert await routes_of(redis, redis_settings.prefix, [SARA]) == {}


async def test_a_gateway_that_is_gone_is_taken_out_by_another(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    dead, living = (routing(redis, redis_settings, name) for name in ("dead", "living"))
    await dead.add([SARA])
    await living.add([SARA])
    await living.remove([SARA], dead.gateway)
    assert await routes_of(redis, redis_settings.prefix, [SARA]) == {SARA: ["living"]}


async def test_a_route_ends_by_itself_and_renewing_prolongs_it(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    one, other = (routing(redis, redis_settings, name) for name in ("one", "other"))
    await one.add([SARA])
    (key,) = [key async for key in redis.scan_iter(match=f"{redis_settings.prefix}:route:*")]
    await redis.expire(key, 10)
    await other.remove([SARA])
    assert 0 < await redis.ttl(key) <= 10, "another's departure does not prolong a route"
    await one.add([SARA])
    assert ROUTE_LIFE_S - 5 < await redis.ttl(key) <= ROUTE_LIFE_S


async def test_without_redis_every_method_says_so(
    redis: Redis, redis_settings: RedisSettings, cable: Cable
) -> None:
    async with open_redis(cable.settings) as client:
        lost = routing(client, cable.settings, "lost")
        await lost.add([SARA])
        cable.cut()
        for attempt in (lost.add([SARA]), lost.remove([SARA])):
            with pytest.raises(BrokerUnavailable):
                await attempt
        cable.mend()
        assert await routes_of(redis, redis_settings.prefix, [SARA]) == {SARA: ["lost"]}
