"""How often something may be done, counted over all processes.

One key in Redis lives as long as the next time is too early. While Redis is away each process
counts what it sees itself: a limit that is loose for a while does less harm than a chat that is
closed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, cast

from redis.asyncio import Redis

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.redis_pool import talking_to_redis
from hodhod_server.domain.ids import ChatId, ClientId, UserId

REMEMBERED_MAX: Final = 50_000  # forgetting one early allows a message too many, nothing more


class SlowPace:
    """One message of a person in a chat, then a pause."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:slow"
        self._seen: OrderedDict[str, tuple[ClientId, float]] = OrderedDict()

    async def wait_s(
        self, chat: ChatId, user: UserId, client_id: ClientId, *, every_s: int
    ) -> float:
        """How long this message has to wait; 0: it may go, and the pause begins.

        The message that began the pause may be sent again.
        """
        key = f"{self._prefix}:{every_s}:{chat}:{user}"  # another pace begins anew
        try:
            wait_s = await self._ask(key, client_id, every_s)
        except BrokerUnavailable:
            return self._look(key, client_id, every_s)
        if wait_s == 0:
            self._note(key, client_id, every_s)
        return wait_s

    async def _ask(self, key: str, client_id: ClientId, every_s: int) -> float:
        with talking_to_redis():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.set(key, client_id, nx=True, px=every_s * 1000, get=True)
                pipeline.pttl(key)
                holder, left_ms = await pipeline.execute()
        if holder is None or int(cast(bytes, holder)) == client_id:
            return 0
        return max(0.1, int(left_ms) / 1000)

    def _look(self, key: str, client_id: ClientId, every_s: int) -> float:
        holder, until_s = self._seen.get(key, (client_id, 0.0))
        left_s = until_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            self._note(key, client_id, every_s)
        return 0 if left_s <= 0 or holder == client_id else left_s

    def _note(self, key: str, client_id: ClientId, every_s: int) -> None:
        self._seen[key] = (client_id, asyncio.get_running_loop().time() + every_s)
        self._seen.move_to_end(key)
        if len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)
