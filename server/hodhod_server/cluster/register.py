"""Which gateways are at work, so that one that dies is missed and one that leaves is not.

A gateway that dies may take pushes along that were committed and not yet published: everybody else
must sync. One that stops in an orderly way has published everything and strikes itself off; then
nobody has to. A gateway counts as dead when nobody hears its channel, or, where its host vanished
with it, when it has not renewed its sign of life.

Always true: a dead gateway is struck off only after the gap was announced.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis

from hodhod_server.cluster.broker import Broker, BrokerUnavailable
from hodhod_server.cluster.redis_pool import talking_to_redis
from hodhod_server.domain.ids import GatewayId
from hodhod_server.telemetry import logs, metrics

log = logs.get("register")
EVERY_S: Final = 10.0
ALIVE_S: Final = 30
PUBLISH_S: Final = 1.0
LOOK_S: Final = 0.02


class Register:
    """This gateway's entry, and its eye on the others'."""

    def __init__(self, redis: Redis, prefix: str, gateway: GatewayId, broker: Broker) -> None:
        self._redis = redis
        self._prefix = prefix
        self._gateway = gateway
        self._broker = broker
        self._names = f"{prefix}:gateways:at-work"
        self._has_left = False

    async def run(self) -> None:
        """Renew the entry and look after the others, now and again and again, until cancelled."""
        while True:
            with contextlib.suppress(BrokerUnavailable):  # who lost the bus syncs anyway
                await self.look_round()
            await asyncio.sleep(EVERY_S)

    async def look_round(self) -> None:
        """Renew the entry; announce a gap if somebody died. Raises `BrokerUnavailable`."""
        if not self._has_left:
            with talking_to_redis():
                await self._redis.set(self._sign_of_life(self._gateway), b"", ex=ALIVE_S)
                await self._redis.sadd(self._names, self._gateway)
        dead = await self._find_dead()
        if dead:
            log.warning("gateways.died", gateways=len(dead))
            metrics.GATEWAYS_DIED.inc(len(dead))
            await self._broker.announce_gap([], [])
            with talking_to_redis():
                await self._redis.srem(self._names, *dead)

    async def leave(self, *are_done: Callable[[], bool]) -> None:
        """A planned end: strike the entry off as soon as everything is published.

        Where that does not come true in time, the others find a dead gateway, and sync.
        """
        for _ in range(round(PUBLISH_S / LOOK_S)):
            if all(is_done() for is_done in are_done):
                break
            await asyncio.sleep(LOOK_S)
        else:
            log.warning("gateway.left_unpublished")
            return
        self._has_left = True
        with contextlib.suppress(BrokerUnavailable), talking_to_redis():
            await self._redis.srem(self._names, self._gateway)
            await self._redis.delete(self._sign_of_life(self._gateway))

    async def _find_dead(self) -> list[GatewayId]:
        with talking_to_redis():
            names = [_gateway(name) for name in await self._redis.smembers(self._names)]
            others = [name for name in names if name != self._gateway]
            if not others:
                return []
            channels = [f"{self._prefix}:gateway:{name}" for name in others]
            heard = await self._redis.pubsub_numsub(*channels)
            signs = await self._redis.mget([self._sign_of_life(name) for name in others])
        return [
            name
            for name, (_, ears), sign in zip(others, heard, signs, strict=True)
            if not ears or sign is None
        ]

    def _sign_of_life(self, gateway: GatewayId) -> str:
        return f"{self._prefix}:gateway:{gateway}:alive"


def _gateway(name: bytes | str) -> GatewayId:
    return GatewayId(name.decode() if isinstance(name, bytes) else name)
