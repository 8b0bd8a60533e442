"""A gateway's part of the table: true while people come and go, and while Redis does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster import route_keeper
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import GatewayId, UserId
from hodhod_server.settings import RedisSettings
from tests.cluster.cable import Cable
from tests.cluster.conftest import at_work, routes_of
from tests.eventually import eventually

SARA, REZA = UserId(1), UserId(2)


@dataclass
class Scene:
    """A keeper at work behind a cable, and a look at the table past it."""

    keeper: RouteKeeper
    look: Redis
    prefix: str
    gaps: list[str]

    async def here(self, *users: UserId) -> set[UserId]:
        """Which of these people the others find here."""
        return set(await routes_of(self.look, self.prefix, users))


@pytest.fixture
async def scene(redis: Redis, redis_settings: RedisSettings, cable: Cable) -> AsyncIterator[Scene]:
    gaps: list[str] = []
    async with open_redis(cable.settings) as client:
        routing = Routing(client, redis_settings.prefix, GatewayId("here"))
        keeper = RouteKeeper(routing, lambda: gaps.append("gap"))
        async with at_work(keeper.run):
            yield Scene(keeper, redis, redis_settings.prefix, gaps)


async def gone(scene: Scene, user: UserId) -> None:
    for _ in range(200):
        if not await scene.here(user):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the route still stands")


async def arrival(scene: Scene, user: UserId) -> None:
    await asyncio.shield(scene.keeper.arrive(user))


async def test_who_has_arrived_is_found_and_who_left_with_the_last_device_is_not(
    scene: Scene,
) -> None:
    await scene.keeper.arrive(SARA)
    await scene.keeper.arrive(SARA)
    assert await scene.here(SARA) == {SARA}
    scene.keeper.depart(SARA)
    await scene.keeper.arrive(REZA)
    assert await scene.here(SARA, REZA) == {SARA, REZA}
    scene.keeper.depart(SARA)
    await gone(scene, SARA)
    assert await scene.here(REZA) == {REZA}
    assert not scene.gaps


async def test_leaving_and_coming_back_in_one_breath_keeps_the_route(scene: Scene) -> None:
    await scene.keeper.arrive(SARA)
    for _ in range(20):
        scene.keeper.depart(SARA)
        await scene.keeper.arrive(SARA)
        assert await scene.here(SARA) == {SARA}


async def test_a_second_device_waits_for_the_route_as_the_first_does(
    scene: Scene, cable: Cable
) -> None:
    await scene.keeper.arrive(REZA)
    cable.freeze()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(arrival(scene, SARA))
        await asyncio.sleep(0.05)
        second = tasks.create_task(arrival(scene, SARA))
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not second.done(), "it would sync before pushes come here, and miss some"
        cable.mend()
    assert await scene.here(SARA) == {SARA}


async def test_a_cancelled_arrival_leaves_no_route(scene: Scene, cable: Cable) -> None:
    await scene.keeper.arrive(REZA)
    cable.freeze()
    async with asyncio.TaskGroup() as tasks:
        arriving = tasks.create_task(arrival(scene, SARA))
        await asyncio.sleep(0.02)
        arriving.cancel()
        await asyncio.wait([arriving])
        scene.keeper.depart(SARA)
        cable.mend()
    await gone(scene, SARA)
    assert await scene.here(REZA) == {REZA}


async def test_while_redis_is_away_arrivals_do_not_wait_and_all_is_written_on_its_return(
    scene: Scene, cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_keeper, "RETRY_S", 0.1)
    await scene.keeper.arrive(SARA)
    cable.cut()
    async with asyncio.timeout(10):
        await scene.keeper.arrive(REZA)
    assert await scene.here(REZA) == set()
    scene.keeper.depart(SARA)
    cable.mend()
    await eventually(lambda: bool(scene.gaps))
    assert await scene.here(REZA) == {REZA}, "told of the gap before the route was back"
    assert scene.gaps == ["gap"]
    await gone(scene, SARA)  # who left meanwhile is forgotten right after


async def test_a_lost_table_is_written_again_before_anybody_is_told_to_sync(
    scene: Scene, redis: Redis, redis_settings: RedisSettings
) -> None:
    await scene.keeper.arrive(SARA)
    await redis.delete(f"{redis_settings.prefix}:route:{SARA}")
    scene.keeper.rewrite()
    assert not scene.gaps
    await eventually(lambda: bool(scene.gaps))
    assert await scene.here(SARA) == {SARA}


async def test_routes_are_renewed_however_busy_the_door_is(
    scene: Scene,
    redis: Redis,
    redis_settings: RedisSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await scene.keeper.arrive(SARA)
    monkeypatch.setattr(route_keeper, "RENEW_S", 0.05)
    scene.keeper.rewrite()
    await eventually(lambda: bool(scene.gaps))
    await redis.delete(f"{redis_settings.prefix}:route:{SARA}")

    async def come_and_go(user: UserId) -> None:
        """Always somebody at the door, so that the keeper never waits."""
        while True:
            await scene.keeper.arrive(user)
            scene.keeper.depart(user)

    async with asyncio.TaskGroup() as tasks:
        crowd = [tasks.create_task(come_and_go(UserId(number))) for number in (10, 11, 12)]
        await asyncio.sleep(0.3)
        found = await scene.here(SARA)
        for one in crowd:
            one.cancel()
    assert found == {SARA}


async def test_a_gateway_that_stops_takes_its_routes_along(scene: Scene) -> None:
    for number in range(1, 1200):
        scene.keeper._present[UserId(number)] += 1
    await scene.keeper.arrive(UserId(2000))
    await scene.keeper.withdraw()
    assert await scene.here(*map(UserId, range(1, 2001))) == set()
