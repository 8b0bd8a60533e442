"""What sign-up processes tell one another, and what a restarted one finds of itself, in Valkey.

Each process writes a snapshot of its own counts under its name and reads the others'; a snapshot
replaces the one before, so nothing is ever counted twice. Arrivals in the waiting room are added up
by second. All of it may be lost: then each process counts for itself.

Always true: no number and no address is in here, only keyed hashes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

from redis.asyncio import Redis

from hodhod_server.cluster.redis_pool import talking_to_redis

SNAPSHOT_S: Final = 86_400  # money is counted by the day
NEWS_MS: Final = 5_000
CAME_S: Final = 7_200
PROCESSES_MAX: Final = 64


class RoomSeen(NamedTuple):
    """The waiting room as all processes together see it."""

    news: bytes | None
    came: tuple[dict[int, int], dict[int, int]]


class DoorBoard:
    """The board of one installation, as the process called `name` uses it."""

    def __init__(self, redis: Redis, prefix: str, name: str) -> None:
        self._redis = redis
        self._name = name
        self._own = f"{prefix}:door:counts:{name}"
        self._prefix = f"{prefix}:door:counts:"
        self._names = f"{prefix}:door:names"
        self._news = f"{prefix}:door:room"
        self._came = (f"{prefix}:door:came:0", f"{prefix}:door:came:1")

    async def find_own(self) -> bytes | None:
        """What this process had counted before it was restarted. Raises `BrokerUnavailable`."""
        with talking_to_redis():
            return cast(bytes | None, await self._redis.get(self._own))

    async def exchange(self, snapshot: bytes, now_s: float) -> list[bytes]:
        """Leave our counts and take the others'. Raises `BrokerUnavailable`."""
        with talking_to_redis():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.set(self._own, snapshot, ex=SNAPSHOT_S)
                pipeline.zadd(self._names, {self._name: now_s})
                pipeline.zremrangebyscore(self._names, "-inf", now_s - SNAPSHOT_S)
                pipeline.zrevrange(self._names, 0, PROCESSES_MAX - 1)
                names = (await pipeline.execute())[-1]
            others = [name.decode() for name in names if name.decode() != self._name]
            if not others:
                return []
            found = await self._redis.mget([self._prefix + name for name in others])
        return [cast(bytes, snapshot) for snapshot in found if snapshot is not None]

    async def tell_room(
        self, joined: tuple[Mapping[int, int], Mapping[int, int]], news: bytes | None
    ) -> RoomSeen:
        """Add who came here, tell the news if it is ours to tell, and see how it stands.

        Raises `BrokerUnavailable`; then it may have been added all the same.
        """
        with talking_to_redis():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, seconds in zip(self._came, joined, strict=True):
                    for second, people in seconds.items():
                        pipeline.hincrby(key, str(second), people)
                    if seconds:
                        pipeline.expire(key, CAME_S)
                if news is not None:
                    pipeline.set(self._news, news, px=NEWS_MS)
                pipeline.get(self._news)
                for key in self._came:
                    pipeline.hgetall(key)
                told, *came = (await pipeline.execute())[-3:]
        ordinary, invited = (
            {int(second): int(people) for second, people in lane.items()} for lane in came
        )
        return RoomSeen(told, (ordinary, invited))

    async def forget_served(self, served: tuple[list[int], list[int]]) -> None:
        """Seconds nobody waits for any more. Raises `BrokerUnavailable`."""
        with talking_to_redis():
            for key, seconds in zip(self._came, served, strict=True):
                if seconds:
                    await self._redis.hdel(key, *[str(second) for second in seconds])
