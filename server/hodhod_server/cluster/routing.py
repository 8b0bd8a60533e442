"""The routing table: which gateways hold a user's devices.

A route lives `ROUTE_LIFE_S` and is renewed while the user is connected, so what a crashed gateway
left behind is forgotten. Losing the whole table costs pushes, not messages: gateways write their
part again when Redis returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from hodhod_server.cluster.redis_pool import KEYS_MAX, read_script, talking_to_redis
from hodhod_server.domain.ids import GatewayId, UserId

ROUTE_LIFE_S: Final = 180
RENEW_S: Final = 60  # two renewals may fail before a route is lost
ADD: Final = read_script("route_add")
REMOVE: Final = read_script("forget", "route_remove")


def routes_under(prefix: str) -> str:
    """What the keys of all routes begin with; the user's id follows."""
    return f"{prefix}:route:"


class Routing:
    """This gateway's view of the table. Every method raises `BrokerUnavailable` without Redis."""

    def __init__(self, redis: Redis, prefix: str, gateway: GatewayId) -> None:
        self.gateway: Final = gateway
        self._redis = redis
        self._prefix = routes_under(prefix)
        self._add = redis.register_script(ADD)
        self._remove = redis.register_script(REMOVE)

    async def add(self, users: Iterable[UserId]) -> None:
        """These people have a connection here, for the next `ROUTE_LIFE_S`."""
        await self._run(self._add, users, self.gateway, ROUTE_LIFE_S)

    async def remove(self, users: Iterable[UserId], gateway: GatewayId | None = None) -> None:
        """These people have no connection here (or on `gateway`, which is gone) any more."""
        await self._run(self._remove, users, gateway or self.gateway)

    async def _run(
        self, script: AsyncScript, users: Iterable[UserId], *arguments: str | int
    ) -> None:
        remaining = map(self._key, users)
        while keys := list(islice(remaining, KEYS_MAX)):
            with talking_to_redis():
                await script(keys=keys, args=arguments)

    def _key(self, user: UserId) -> str:
        return f"{self._prefix}{user}"


class Presence:
    """Who is connected anywhere, as the table tells it. Raises `BrokerUnavailable`."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = routes_under(prefix)

    async def online(self, users: Sequence[UserId]) -> set[UserId]:
        """Those of these people who have a connection; a crashed gateway's for `ROUTE_LIFE_S`."""
        if not users:
            return set()
        with talking_to_redis():
            routes = await self._redis.mget([f"{self._prefix}{user}" for user in users])
        return {user for user, route in zip(users, routes, strict=True) if route}
