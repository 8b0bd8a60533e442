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
KEYS_MAX: Final = 500  # of one script: about a millisecond in which Redis does nothing else
TIMEOUT_S: Final = 2.0  # a store that may be lost is not worth waiting for
RedisFailure: Final = (RedisError, OSError, TimeoutError)


def read_script(*names: str) -> str:
    """The texts of `lua/{name}.lua`, one after the other; a missing one fails at import."""
    return "".join((LUA_DIRECTORY / f"{name}.lua").read_text(encoding="utf-8") for name in names)


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
        settings.url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        protocol=2,  # with 3 redis-py 8.1 makes a text of each publication, for a log
    )
    try:
        yield client
    finally:
        await client.aclose()
