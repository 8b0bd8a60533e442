"""Redis in memory, as redis-py shows it: routes, publish and subscribe, and how they are lost.

The real `RedisBroker` and `Routing` are put on top of the client, so that what they do when Redis
is away is what they really do. Publications of one client to one subscriber keep their order, those
of several may cross; a subscription that breaks loses what was on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Self, cast

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hodhod_server.cluster.redis_pool import TIMEOUT_S
from hodhod_server.cluster.routing import ADD, REMOVE
from tests.simulation.network import APART_S
from tests.simulation.processes import Process

Operation = Callable[[], object]
Publication = dict[str, Any]


class RedisServer:
    """The server: everything in it is lost when it crashes."""

    def __init__(self, dice: random.Random) -> None:
        self.latency_s = 0.001
        self.doubles = 0.0
        """The share of publications that arrive twice."""
        self.is_up = True
        self.dice: Final = dice
        self._routes: dict[str, tuple[list[str], float]] = {}
        self._subscribers: dict[str, list[_PubSub]] = {}

    def client(self, owner: Process) -> MemoryRedis:
        """A process's client."""
        return MemoryRedis(self, owner)

    def crash(self) -> None:
        """Away, and all is forgotten."""
        self.is_up = False
        self._routes.clear()
        for pubsub in [end for ends in self._subscribers.values() for end in ends]:
            pubsub.break_down()
        self._subscribers.clear()

    def start(self) -> None:
        """Back again, empty."""
        self.is_up = True

    # --- what commands do, each at one moment ----------------------------------------------------

    def add_route(self, key: str, gateway: str, life_s: int) -> None:
        gateways = self.route(key)
        if gateway not in gateways:
            gateways = [*gateways, gateway]
        self._routes[key] = (gateways, self._now_s() + life_s)

    def remove_route(self, key: str, gateway: str) -> None:
        kept = [one for one in self.route(key) if one != gateway]
        if kept:
            self._routes[key] = (kept, self._routes[key][1])
        else:
            self._routes.pop(key, None)

    def route(self, key: str) -> list[str]:
        gateways, ends_at_s = self._routes.get(key, ([], 0.0))
        return gateways if self._now_s() < ends_at_s else []

    def subscribe(self, channel: str, pubsub: _PubSub) -> None:
        self._subscribers.setdefault(channel, []).append(pubsub)

    def leave(self, pubsub: _PubSub) -> None:
        for ends in self._subscribers.values():
            if pubsub in ends:
                ends.remove(pubsub)

    def publish(self, channel: str, data: bytes, publisher: MemoryRedis) -> int:
        subscribers = self._subscribers.get(channel, [])
        for pubsub in subscribers:
            pubsub.carry({"type": "message", "data": data}, publisher)
            if self.doubles and self.dice.random() < self.doubles:
                pubsub.carry({"type": "message", "data": data}, publisher)
        return len(subscribers)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


class MemoryRedis:
    """What the cluster uses of `redis.asyncio.Redis`, for one process."""

    def __init__(self, server: RedisServer, owner: Process) -> None:
        self.server: Final = server
        self.owner: Final = owner
        self.is_cut = False
        self._pubsubs: list[_PubSub] = []

    @property
    def as_redis(self) -> Redis:
        """Under the name that its users know."""
        return cast(Redis, self)

    def cut(self) -> None:
        """This process reaches the server no longer, and nobody tells either of them."""
        self.is_cut = True

    def mend(self, *, keeps_connections: bool) -> None:
        """Reached again. What was held back arrives, or the connections turn out to be broken."""
        self.is_cut = False
        for pubsub in self._pubsubs:
            if keeps_connections:
                pubsub.release()
            else:
                self.server.leave(pubsub)
                pubsub.break_down()

    async def perform(self, operations: Sequence[Operation]) -> list[object]:
        """There and back; it may fail on either way."""
        await self._travel()
        results = [operation() for operation in operations]
        await self._travel()
        return results

    def register_script(self, text: str) -> _Script:
        return _Script(self.server, text)

    @contextlib.asynccontextmanager
    async def pipeline(self, *, transaction: bool) -> AsyncIterator[_Pipeline]:
        yield _Pipeline(self)

    def pubsub(self) -> _PubSub:
        return _PubSub(self)

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        def read() -> list[bytes | None]:
            routes = [",".join(self.server.route(key)) for key in keys]
            return [route.encode() or None for route in routes]

        return cast("list[bytes | None]", (await self.perform([read]))[0])

    async def publish(self, channel: str, data: bytes) -> int:
        results = await self.perform([lambda: self.server.publish(channel, data, self)])
        return cast(int, results[0])

    def take_in(self, pubsub: _PubSub) -> None:
        """A subscription of this process is open."""
        self._pubsubs.append(pubsub)

    def let_go(self, pubsub: _PubSub) -> None:
        """It is closed."""
        if pubsub in self._pubsubs:
            self._pubsubs.remove(pubsub)
        if not self.is_cut:
            self.server.leave(pubsub)

    async def _travel(self) -> None:
        await asyncio.sleep(self.server.latency_s * (0.5 + self.server.dice.random()))
        if self.is_cut:
            await asyncio.sleep(TIMEOUT_S)
            raise RedisTimeoutError
        if not self.server.is_up or not self.owner.is_alive:
            raise RedisConnectionError


class _Pipeline:
    """Commands that travel together."""

    def __init__(self, redis: MemoryRedis) -> None:
        self._redis = redis
        self.operations: list[Operation] = []

    def publish(self, channel: str, data: bytes) -> None:
        server = self._redis.server
        self.operations.append(lambda: server.publish(channel, data, self._redis))

    async def execute(self) -> list[object]:
        return await self._redis.perform(self.operations)


class _Script:
    """One of the two scripts in `cluster/lua`."""

    def __init__(self, server: RedisServer, text: str) -> None:
        self._server = server
        self._text = text

    async def __call__(
        self, *, keys: Sequence[str], args: Sequence[Any], client: _Pipeline
    ) -> None:
        (key,) = keys
        if self._text == ADD:
            client.operations.append(lambda: self._server.add_route(key, args[0], args[1]))
        elif self._text == REMOVE:
            client.operations.append(lambda: self._server.remove_route(key, args[0]))
        else:
            raise NotImplementedError


class _PubSub:
    """A subscription: a connection of its own."""

    def __init__(self, redis: MemoryRedis) -> None:
        self._redis = redis
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Publication] = deque()
        self._held: list[Publication] = []
        self._last_at_s: dict[int, float] = {}
        self._filled = asyncio.Event()
        self._is_broken = False

    async def __aenter__(self) -> Self:
        self._redis.take_in(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_broken = True
        self._redis.let_go(self)

    async def subscribe(self, *channels: str) -> None:
        server = self._redis.server

        def enter() -> None:
            for channel in channels:
                server.subscribe(channel, self)

        await self._redis.perform([enter])

    async def get_message(
        self, *, ignore_subscribe_messages: bool, timeout: float
    ) -> Publication | None:
        if not self._arrived and not self._is_broken:
            self._filled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._filled.wait()
        if self._arrived:
            return self._arrived.popleft()
        if self._is_broken or not self._redis.owner.is_alive:
            raise RedisConnectionError
        return None

    async def ping(self) -> None:
        if not self._redis.is_cut:
            self.carry({"type": "pong"}, self._redis)

    def carry(self, publication: Publication, publisher: MemoryRedis) -> None:
        """On its way from the server to here."""
        server = self._redis.server
        at_s = self._loop.time() + server.latency_s * (0.5 + server.dice.random())
        at_s = max(at_s, self._last_at_s.get(id(publisher), 0.0) + APART_S)
        self._last_at_s[id(publisher)] = at_s
        self._loop.call_at(at_s, self._arrive, publication)

    def break_down(self) -> None:
        """The connection is broken, and what was on its way is lost."""
        self._is_broken = True
        self._held.clear()
        self._filled.set()

    def release(self) -> None:
        """What was held back while the way was cut."""
        held, self._held = self._held, []
        for publication in held:
            self._arrive(publication)

    def _arrive(self, publication: Publication) -> None:
        if self._redis.is_cut:
            self._held.append(publication)
        elif not self._is_broken:
            self._arrived.append(publication)
            self._filled.set()
