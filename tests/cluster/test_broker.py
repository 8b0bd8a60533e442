"""The bus between gateways: order, gaps, and what happens when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster.broker import BrokerUnavailable, Envelope
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import ChatId, DeviceId, GatewayId, UserId
from hodhod_server.settings import RedisSettings
from tests.cluster.cable import Cable
from tests.cluster.conftest import Listener, at_work, routes_of
from tests.eventually import eventually

ONE, OTHER, NOBODY = GatewayId("one"), GatewayId("other"), GatewayId("nobody")


@contextlib.asynccontextmanager
async def listening(
    settings: RedisSettings, redis: Redis, gateway: GatewayId, listener: Listener
) -> AsyncIterator[RedisBroker]:
    """A gateway's end of the bus, subscribed."""
    channel = f"{settings.prefix}:gateway:{gateway}"
    async with open_redis(settings) as own:
        broker = RedisBroker(own, settings.prefix, gateway)

        async def run() -> None:
            await broker.run(listener)

        async with at_work(run), asyncio.timeout(5):
            while dict(await redis.pubsub_numsub(channel))[channel.encode()] == 0:
                await redis.ping()
            yield broker


def at(redis: Redis, settings: RedisSettings, gateway: GatewayId) -> Routing:
    """Where people arrive at a gateway."""
    return Routing(redis, settings.prefix, gateway)


def envelope(number: int) -> Envelope:
    return Envelope((UserId(number),), f"{number}".encode())


async def test_pushes_arrive_in_their_order_and_only_where_their_people_are(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    here, there = Listener(), Listener()
    await at(redis, redis_settings, OTHER).add(UserId(number) for number in range(100))
    await at(redis, redis_settings, ONE).add(UserId(number) for number in range(50, 150))
    async with (
        listening(redis_settings, redis, ONE, here) as one,
        listening(redis_settings, redis, OTHER, there),
    ):
        for number in range(0, 150, 2):
            await one.deliver([envelope(number), envelope(number + 1)])
        await eventually(lambda: len(there.envelopes) == 100)
    assert there.envelopes == [envelope(number) for number in range(100)]
    assert not here.envelopes


async def test_a_gateway_that_nobody_answers_for_loses_its_routes(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    there, both = Listener(), [UserId(1), UserId(2)]
    for gateway in (NOBODY, OTHER):
        await at(redis, redis_settings, gateway).add(both)
    async with (
        listening(redis_settings, redis, ONE, Listener()) as one,
        listening(redis_settings, redis, OTHER, there),
    ):
        await one.deliver([envelope(1)])
        await eventually(lambda: there.envelopes == [envelope(1)])
    found = await routes_of(redis, redis_settings.prefix, both)
    assert found == {UserId(1): [OTHER], UserId(2): [NOBODY, OTHER]}


async def test_pushes_do_not_mind_what_becomes_of_an_idle_connection_or_of_the_script(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    there = Listener()
    await at(redis, redis_settings, OTHER).add([UserId(1)])
    async with (
        listening(redis_settings, redis, ONE, Listener()) as one,
        listening(redis_settings, redis, OTHER, there),
    ):
        await one.deliver([envelope(1)])
        await redis.script_flush()
        await one.deliver([envelope(1)])
        await redis.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.05)
        await one.deliver([envelope(1)])
        await eventually(lambda: there.envelopes == [envelope(1)] * 3)


async def test_a_batch_that_was_not_answered_is_lost_and_the_next_is_not(
    redis: Redis, redis_settings: RedisSettings, cable: Cable
) -> None:
    there = Listener()
    await at(redis, redis_settings, OTHER).add([UserId(1), UserId(2)])
    async with listening(redis_settings, redis, OTHER, there), open_redis(cable.settings) as own:
        one = RedisBroker(own, redis_settings.prefix, ONE)
        await one.deliver([envelope(1)])
        cable.freeze()
        with pytest.raises(BrokerUnavailable):
            await one.deliver([envelope(2)])
        cable.cut()
        with pytest.raises(BrokerUnavailable):
            await one.deliver([envelope(2)])
        cable.mend()
        await one.deliver([envelope(1)])
        await eventually(lambda: len(there.envelopes) >= 2)
    assert there.envelopes[-1] == envelope(1)


async def test_announcements_reach_every_gateway(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    here, there = Listener(), Listener()
    async with (
        listening(redis_settings, redis, ONE, here) as one,
        listening(redis_settings, redis, OTHER, there),
    ):
        await one.announce_gap([UserId(5)], [ChatId(6)])
        await one.announce_end(DeviceId(7))
        await one.announce_chat_changed(ChatId(3), 9, [UserId(5)])
        await one.announce_gap([], [])
        await eventually(lambda: here.gaps == 1 and there.gaps == 1)
    for listener in (here, there):
        assert (listener.gaps_for, listener.gaps_in) == ([UserId(5)], [ChatId(6)])
        assert listener.ended == [DeviceId(7)]
        assert listener.changed == [(ChatId(3), 9, [UserId(5)])]


async def test_a_broadcast_reaches_every_other_gateway_once(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    here, there = Listener(), Listener()
    posts = [Envelope((), b"x", 0, number) for number in (1, 2)]
    async with (
        listening(redis_settings, redis, ONE, here) as one,
        listening(redis_settings, redis, OTHER, there) as other,
    ):
        await one.deliver(posts)
        await other.announce_end(DeviceId(7))
        await eventually(lambda: bool(here.ended) and len(there.envelopes) == 2)
    assert (here.envelopes, there.envelopes) == ([], posts)


async def test_a_broken_subscription_is_noticed_and_taken_up_again(
    redis: Redis, redis_settings: RedisSettings, cable: Cable
) -> None:
    here, there, returned = Listener(), Listener(), []
    await at(redis, redis_settings, OTHER).add([UserId(1)])
    async with (
        listening(redis_settings, redis, ONE, here) as one,
        listening(cable.settings, redis, OTHER, there) as other,
    ):
        other.on_return(lambda: returned.append(OTHER))
        cable.cut()
        await eventually(lambda: not cable.is_used)
        with pytest.raises(BrokerUnavailable):
            await other.announce_end(DeviceId(1))
        cable.mend()
        await eventually(lambda: bool(returned))
        await one.deliver([envelope(1)])
        await eventually(lambda: there.envelopes == [envelope(1)])
        assert returned == [OTHER]
    assert here.gaps == 0, "nobody else needs to sync because one gateway lost the bus"


async def test_a_momentary_cut_is_noticed_too(
    redis: Redis, redis_settings: RedisSettings, cable: Cable
) -> None:
    returned: list[GatewayId] = []
    async with listening(cable.settings, redis, OTHER, Listener()) as other:
        other.on_return(lambda: returned.append(OTHER))
        cable.cut()
        cable.mend()
        await eventually(lambda: bool(returned))


async def test_what_nobody_understands_is_a_gap_and_not_the_end(
    redis: Redis, redis_settings: RedisSettings
) -> None:
    there = Listener()
    await at(redis, redis_settings, OTHER).add([UserId(1)])
    async with (
        listening(redis_settings, redis, ONE, Listener()) as one,
        listening(redis_settings, redis, OTHER, there),
    ):
        gaps = there.gaps
        for strange in (b"", b"\xc1", b"\x92\xa5later\x01", b"hello"):
            await redis.publish(f"{redis_settings.prefix}:gateway:{OTHER}", strange)
        await one.deliver([envelope(1)])
        await eventually(lambda: there.envelopes == [envelope(1)])
        assert there.gaps == gaps + 4
