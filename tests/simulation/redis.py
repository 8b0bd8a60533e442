"""Redis in memory, as redis-py shows it: routes, publish and subscribe, and how they are lost.

The real `RedisBroker` and `Routing` are put on top of the client, so that what they do when Redis
is away is what they really do. Publications of one client to one subscriber keep their order, those
of several may cross; a subscription that breaks loses what was on its way.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, Self, TypeVar, cast

import hiredis
import msgspec
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hodhod_server.cluster.batches import EVERYBODY
from hodhod_server.cluster.redis_pool import TIMEOUT_S
from hodhod_server.cluster.routing import ADD, REMOVE
from tests.simulation.network import APART_S
from tests.simulation.processes import Process

T = TypeVar("T")
Operation = Callable[[], object]
Publication = list[bytes]


class RedisServer:
    """The server: everything in it is lost when it crashes."""

    def __init__(self, dice: random.Random) -> None:
        self.latency_s = 0.001
        self.doubles = 0.0
        """The share of publications that arrive twice."""
        self.is_up = True
        self.dice: Final = dice
        self._values: dict[str, tuple[bytes, float]] = {}
        self._sets: dict[str, dict[str, None]] = {}
        self._subscribers: dict[str, list[_PubSub]] = {}

    def client(self, owner: Process) -> MemoryRedis:
        """A process's client."""
        return MemoryRedis(self, owner)

    def crash(self) -> None:
        """Away, and all is forgotten."""
        self.is_up = False
        self._values.clear()
        self._sets.clear()
        for pubsub in [end for ends in self._subscribers.values() for end in ends]:
            pubsub.break_down()
        self._subscribers.clear()

    def start(self) -> None:
        """Back again, empty."""
        self.is_up = True

    # --- what commands do, each at one moment ----------------------------------------------------

    def set(self, key: str, value: bytes, life_s: float) -> None:
        self._values[key] = (value, self._now_s() + life_s)

    def get(self, key: str) -> bytes | None:
        value, ends_at_s = self._values.get(key, (None, 0.0))
        return value if self._now_s() < ends_at_s else None

    def delete(self, key: str) -> None:
        self._values.pop(key, None)

    def add_route(self, key: str, gateway: str, life_s: int) -> None:
        gateways = self._route(key)
        if gateway not in gateways:
            gateways = [*gateways, gateway]
        self.set(key, ",".join(gateways).encode(), life_s)

    def remove_route(self, key: str, gateway: str) -> None:
        kept = [one for one in self._route(key) if one != gateway]
        if kept:
            self._values[key] = (",".join(kept).encode(), self._values[key][1])
        else:
            self.delete(key)

    def members(self, key: str) -> dict[str, None]:
        """A set, in the order in which it grew."""
        return self._sets.setdefault(key, {})

    def count_subscribers(self, channel: str) -> int:
        return len(self._subscribers.get(channel, ()))

    def subscribe(self, channel: str, pubsub: _PubSub) -> None:
        self._subscribers.setdefault(channel, []).append(pubsub)

    def leave(self, pubsub: _PubSub) -> None:
        for ends in self._subscribers.values():
            if pubsub in ends:
                ends.remove(pubsub)

    def publish(self, channel: str, data: bytes, publisher: MemoryRedis) -> int:
        subscribers = self._subscribers.get(channel, [])
        for pubsub in subscribers:
            pubsub.carry([b"message", channel.encode(), data], publisher)
            if self.doubles and self.dice.random() < self.doubles:
                pubsub.carry([b"message", channel.encode(), data], publisher)
        return len(subscribers)

    def deliver(
        self, keys: Sequence[str], arguments: Sequence[bytes], publisher: MemoryRedis
    ) -> None:
        """What `deliver.lua` does."""
        sender, prefix, at = arguments[0].decode(), arguments[1].decode(), 3
        targets = {b"0": {str(EVERYBODY)}}
        entries: dict[bytes, tuple[int, list[int]]] = {}
        unread = iter(keys)
        for number in range(1, int(arguments[2]) + 1):
            audience, routes = str(number).encode(), islice(unread, int(arguments[at]))
            targets[audience] = {gateway for key in routes for gateway in self._route(key)}
            entries[audience] = msgspec.msgpack.decode(b"\x92" + arguments[at + 1])
            at += 2
        pushes = [(b"%d" % push[1], push) for push in arguments[at:]]
        for target in [*sorted(set().union(*targets.values()) - {sender, EVERYBODY}), EVERYBODY]:
            meant = [(audience, push) for audience, push in pushes if target in targets[audience]]
            named = dict(entries[audience] for audience, _ in meant if audience in entries)
            raw = [msgspec.Raw(push) for _, push in meant]
            payload = msgspec.msgpack.encode(["batch", sender, named, raw])
            if meant and not self.publish(prefix + target, payload, publisher):
                for key in keys:
                    self.remove_route(key, target)

    def _route(self, key: str) -> list[str]:
        route = self.get(key)
        return route.decode().split(",") if route else []

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
        return _Script(self, text)

    @property
    def connection_pool(self) -> _Pool:
        return _Pool(self)

    def pubsub(self) -> _PubSub:
        return _PubSub(self)

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._ask(lambda: [self.server.get(key) for key in keys])

    async def set(self, key: str, value: bytes, *, ex: int) -> None:
        await self._ask(lambda: self.server.set(key, value, ex))

    async def delete(self, key: str) -> None:
        await self._ask(lambda: self.server.delete(key))

    async def sadd(self, key: str, value: str) -> None:
        await self._ask(lambda: self.server.members(key).update({value: None}))

    async def srem(self, key: str, *values: str) -> None:
        await self._ask(lambda: [self.server.members(key).pop(value, None) for value in values])

    async def smembers(self, key: str) -> list[bytes]:
        return await self._ask(lambda: [value.encode() for value in self.server.members(key)])

    async def pubsub_numsub(self, *channels: str) -> list[tuple[bytes, int]]:
        return await self._ask(
            lambda: [
                (channel.encode(), self.server.count_subscribers(channel)) for channel in channels
            ]
        )

    async def publish(self, channel: str, data: bytes) -> int:
        return await self._ask(lambda: self.server.publish(channel, data, self))

    async def _ask(self, operation: Callable[[], T]) -> T:
        return cast(T, (await self.perform([operation]))[0])

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


class _Pool:
    """Of connections that are always well: what befalls a command befalls it on its way."""

    def __init__(self, redis: MemoryRedis) -> None:
        self._redis = redis

    async def get_connection(self) -> _Connection:
        return _Connection(self._redis)

    async def ensure_connection(self, connection: _Connection) -> None:
        """It is."""


class _Connection:
    """Runs `deliver.lua`, which is all that is asked of a connection itself."""

    socket_timeout: float | None = None

    def __init__(self, redis: MemoryRedis) -> None:
        self._redis = redis
        self._reader = hiredis.Reader()

    async def send_packed_command(self, command: bytes, *, check_health: bool) -> None:
        self._reader.feed(command)

    async def read_response(self) -> None:
        _, _, count, *operands = cast(list[bytes], self._reader.gets())
        keys = [key.decode() for key in operands[: int(count)]]
        arguments = operands[int(count) :]
        server = self._redis.server
        await self._redis.perform([lambda: server.deliver(keys, arguments, self._redis)])


class _Script:
    """One of the scripts that write routes."""

    def __init__(self, redis: MemoryRedis, text: str) -> None:
        self._redis = redis
        server = redis.server
        by_text: dict[str, Callable[..., None]] = {
            ADD: server.add_route,
            REMOVE: server.remove_route,
        }
        self._operation = by_text[text]

    async def __call__(self, *, keys: Sequence[str], args: Sequence[Any]) -> None:
        await self._redis.perform([partial(self._operation, key, *args) for key in keys])


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

    @property
    def connection(self) -> Self:
        """Nothing is between the two."""
        return self

    async def read_response(self, *, timeout: float, disconnect_on_error: bool) -> Publication:
        while not self._arrived:
            if self._is_broken or not self._redis.owner.is_alive:
                raise RedisConnectionError
            self._filled.clear()
            await self._filled.wait()
        return self._arrived.popleft()

    async def ping(self) -> None:
        if not self._redis.is_cut:
            self.carry([b"pong", b""], self._redis)

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
