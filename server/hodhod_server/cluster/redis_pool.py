"""The connection pool to Redis or Valkey, and the scripts that live beside it in `lua/`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.settings import RedisSettings

LUA_DIRECTORY: Final = Path(__file__).with_name("lua")
TIMEOUT_S: Final = 2.0  # a store that may be lost is not worth waiting for
RedisFailure: Final = (RedisError, OSError, TimeoutError)


def read_script(name: str) -> str:
    """The text of `lua/{name}.lua`; a missing one fails at import."""
    return (LUA_DIRECTORY / f"{name}.lua").read_text(encoding="utf-8")


@contextlib.contextmanager
def talking_to_redis() -> Iterator[None]:
    """Any failure of the store inside the block is `BrokerUnavailable`; a cancellation stays one.

    redis-py 8.1 now and then swallows a cancellation (seen: a pipeline cancelled while its answer
    arrived returns as if nothing had been), and a loop that misses it runs for ever.
    """
    try:
        yield
    except RedisFailure as error:
        _require_not_cancelled()
        raise BrokerUnavailable from error
    _require_not_cancelled()


def _require_not_cancelled() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@contextlib.asynccontextmanager
async def open_redis(settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client for the life of the block. It connects when first used: Redis may be down now."""
    client = Redis.from_url(
        settings.url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
    )
    try:
        yield client
    finally:
        await client.aclose()
