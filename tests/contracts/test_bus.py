"""What gateways rely on from Redis, asked of Valkey and of the simulation's server."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster.broker import BrokerUnavailable, Envelope
from hodhod_server.cluster.broker_redis import RedisBroker
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.register import Register
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import ChatId, DeviceId, GatewayId, UserId
from hodhod_server.settings import RedisSettings
from tests.cluster.conftest import Listener, at_work, routes_of
from tests.eventually import eventually
from tests.simulation.processes import Process
from tests.simulation.redis import RedisServer

ONE, OTHER, NOBODY = GatewayId("one"), GatewayId("other"), GatewayId("nobody")
SARA, REZA, ALI, CHAT = UserId(1), UserId(2), UserId(3), ChatId(9)
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
    client = make()
    one, other = Routing(client, prefix, ONE), Routing(make(), prefix, OTHER)
    await one.add([SARA, REZA])
    await other.add([SARA, SARA])
    found = await routes_of(client, prefix, [SARA, REZA, ALI])
    assert found == {SARA: [ONE, OTHER], REZA: [ONE]}
    await one.remove([SARA, ALI])
    assert await routes_of(client, prefix, [SARA]) == {SARA: [OTHER]}
    await one.remove([SARA], OTHER)
    assert await routes_of(client, prefix, [SARA]) == {}


async def test_publications_arrive_in_order_where_they_are_sent_and_nowhere_else(
    new_client: tuple[NewClient, str],
) -> None:
    make, prefix = new_client
    mine, theirs = make(), make()
    one, other = RedisBroker(mine, prefix, ONE), RedisBroker(theirs, prefix, OTHER)
    here, there = Listener(), Listener()
    async with at_work(partial(one.run, here), partial(other.run, there)):
        await eventually_heard(mine, prefix, [ONE, OTHER])
        for gateway in (ONE, OTHER):
            await Routing(mine, prefix, gateway).add([SARA])
        for number in range(1, 50):
            await one.deliver([Envelope((SARA,), b"%d" % number)])
        await one.deliver([Envelope((), b"y", chat=CHAT)])
        await one.announce_gap([SARA, REZA], [CHAT])
        await one.announce_end(DeviceId(7))
        await one.announce_chat_changed(CHAT, 3, [ALI])
        await one.announce_gap([], [])
        await eventually(lambda: there.gaps == 1)
        await eventually(lambda: here.gaps == 1)
        await eventually(lambda: len(there.envelopes) == 50)
    assert there.envelopes.pop() == Envelope((), b"y", chat=CHAT)
    assert there.envelopes == [Envelope((SARA,), b"%d" % number) for number in range(1, 50)]
    assert not here.envelopes
    assert here.gaps_for == there.gaps_for == [SARA, REZA]
    assert here.gaps_in == there.gaps_in == [CHAT]
    assert here.ended == there.ended == [DeviceId(7)]
    assert here.changed == there.changed == [(CHAT, 3, [ALI])]


async def test_a_batch_of_many_audiences_keeps_its_order_at_each_gateway(
    new_client: tuple[NewClient, str],
) -> None:
    make, prefix = new_client
    mine, theirs = make(), make()
    one, other = RedisBroker(mine, prefix, ONE), RedisBroker(theirs, prefix, OTHER)
    dice, there = random.Random(7), Listener()
    online = [UserId(dice.getrandbits(53)) for _ in range(300)]
    away = [UserId(dice.getrandbits(53)) for _ in range(300)]
    rosters = [tuple(dice.sample(online + away, dice.choice((1, 2, 200)))) for _ in range(40)]
    envelopes = [
        Envelope((), b"post", chat=CHAT)
        if dice.random() < 0.1
        else Envelope(dice.choice(rosters), dice.randbytes(dice.choice((1, 300))), number)
        for number in range(300)
    ]
    async with at_work(partial(other.run, there)):
        await eventually_heard(mine, prefix, [OTHER])
        for gateway, users in ((ONE, online + away), (OTHER, online), (NOBODY, away)):
            await Routing(mine, prefix, gateway).add(users)
        await one.deliver(envelopes)
        meant = [
            envelope
            for envelope in envelopes
            if envelope.chat or not set(online).isdisjoint(envelope.users)
        ]
        await eventually(lambda: len(there.envelopes) == len(meant))
    for is_broadcast in (False, True):  # the two come in two publications
        assert [one for one in there.envelopes if (one.chat > 0) is is_broadcast] == [
            one for one in meant if (one.chat > 0) is is_broadcast
        ]
    asked = {user for envelope in envelopes for user in envelope.users}
    left = await routes_of(mine, prefix, sorted(asked))
    assert {tuple(gateways) for gateways in left.values()} == {(ONE,), (ONE, OTHER)}


async def test_for_a_gateway_that_died_everybody_syncs_and_for_one_that_left_nobody(
    new_client: tuple[NewClient, str],
) -> None:
    make, prefix = new_client
    mine, theirs = make(), make()
    one, other = RedisBroker(mine, prefix, ONE), RedisBroker(theirs, prefix, OTHER)
    register = Register(mine, prefix, ONE, one)
    here, there = Listener(), Listener()
    async with at_work(partial(one.run, here)):
        async with at_work(partial(other.run, there)):
            await eventually_heard(mine, prefix, [ONE, OTHER])
            neighbour = Register(theirs, prefix, OTHER, other)
            await neighbour.look_round()
            await register.look_round()
            await neighbour.leave(lambda: True)
            await register.look_round()
            await Register(theirs, prefix, OTHER, other).look_round()
            await register.look_round()
            await one.announce_end(DeviceId(1))  # what was announced before has come then
            await eventually(lambda: len(here.ended) == 1)
            assert here.gaps == there.gaps == 0
        await eventually_heard(mine, prefix, [OTHER], ears=0)
        await register.look_round()
        await register.look_round()
        await eventually(lambda: here.gaps == 1)
        await one.announce_end(DeviceId(1))
        await eventually(lambda: len(here.ended) == 2)
        assert here.gaps == 1


async def eventually_heard(
    redis: Redis, prefix: str, gateways: Sequence[GatewayId], ears: int = 1
) -> None:
    channels = [f"{prefix}:gateway:{gateway}" for gateway in gateways]
    for _ in range(500):
        if {heard for _, heard in await redis.pubsub_numsub(*channels)} == {ears}:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_server_that_went_away_forgets_and_says_so() -> None:
    """Of the simulation's server only; for Valkey tests/cluster cuts and freezes a real line."""
    server = RedisServer(random.Random(1))
    client = server.client(Process("test", lambda *_: None)).as_redis
    routing, broker = Routing(client, PREFIX, ONE), RedisBroker(client, PREFIX, OTHER)
    await routing.add([SARA])
    server.crash()
    with pytest.raises(BrokerUnavailable):
        await broker.deliver([Envelope((SARA,), b"x")])
    server.start()
    assert await routes_of(client, PREFIX, [SARA]) == {}
