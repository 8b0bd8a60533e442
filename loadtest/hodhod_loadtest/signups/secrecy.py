"""After a wave: is a code, a number or a provider's key anywhere where a thief might read it?

Searched are all text and bytes of the database, everything in Valkey, the logs of the server and of
its engines, and the metrics of every role. A code is six digits with nothing of a word or a number
beside them; what carriers call their messages are such numbers, and is left out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import msgspec

from hodhod_loadtest.bench.growing import database_of
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.signups.door import http_client
from hodhod_loadtest.signups.stage import Stage
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.settings import RedisSettings

_CODE: Final = re.compile(r"(?<![\w.])[0-9]{6}(?![\w.])")
_NUMBER: Final = re.compile(r"[0-9]{10,}")
_NUMBER_DIGITS: Final = 10
_PLACES: Final = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND column_name <> 'message_id'
    AND data_type IN ('text', 'bytea', 'json', 'jsonb', 'ARRAY', 'character varying')
"""
_SCAN_COUNT: Final = 1000


class Secrecy:
    """Does nothing while people come, and searches afterwards."""

    def __init__(self) -> None:
        self.lags_s: Sequence[float] = ()

    async def prepare(self, stage: Stage) -> None:
        """Nothing to prepare."""

    async def act(self, stage: Stage) -> None:
        """Nothing to do."""

    async def facts(self, stage: Stage) -> Mapping[str, float]:
        """How much was searched, and what was found."""
        phones = {handed.phone for handed in stage.street.handed}
        codes, keys = stage.street.handsets.shown, stage.street.keys
        searched = found = 0
        async for text in _everything(stage):
            searched += len(text)
            found += await asyncio.to_thread(leaks, text, phones, codes, keys)
        return {"searched for secrets, MB": searched / 1e6, "secrets found": found}


def leaks(text: str, phones: set[str], codes: set[str], keys: Sequence[str]) -> int:
    """How many of these are in a text. Pure."""
    found = sum(match[-_NUMBER_DIGITS:] in phones for match in _NUMBER.findall(text))
    found += sum(match in codes for match in _CODE.findall(text))
    return found + sum(text.count(key) for key in keys)


async def _everything(stage: Stage) -> AsyncIterator[str]:
    data_dir = stage.server.data_dir
    async for text in _in_database(stage):
        yield text
    told = msgspec.json.decode((data_dir / "processes.json").read_bytes())
    async for text in _in_redis(told["redis_url"]):
        yield text
    for log in (stage.server.log, *data_dir.glob("*.log")):
        yield await asyncio.to_thread(log.read_text, errors="replace")
    async with http_client() as http:
        for process in told["processes"]:
            if process["port"]:
                yield await _metrics(http, f"http://127.0.0.1:{process['port']}")


async def _in_database(stage: Stage) -> AsyncIterator[str]:
    async with database_of(stage.server.data_dir) as connection:
        for table, column, kind in await connection.fetch(_PLACES):
            shown = f"encode({column}, 'escape')" if kind == "bytea" else f"{column}::text"
            text = await connection.fetchval(f"SELECT string_agg({shown}, E'\\n') FROM {table}")
            yield text or ""


async def _in_redis(url: str) -> AsyncIterator[str]:
    async with open_redis(RedisSettings(url=url)) as redis:
        async for key in redis.scan_iter(count=_SCAN_COUNT):
            told: object
            match await redis.type(key):
                case b"string":
                    told = await redis.get(key)
                case b"hash":
                    told = await redis.hgetall(key)
                case b"list":
                    told = await redis.lrange(key, 0, -1)
                case b"set":
                    told = await redis.smembers(key)
                case b"zset":
                    told = await redis.zrange(key, 0, -1)
                case b"stream":
                    told = await redis.xrange(key)
                case other:
                    raise ValueError(f"a {other!r} in Valkey: teach this to look into it")
            yield f"{key!r} {told!r}"


async def _metrics(http: Client, url: str) -> str:
    peer = http.peer(url)
    answer = await peer.ask(b"GET /metrics HTTP/1.1\r\nHost: %b\r\n\r\n" % peer.host)
    if answer.status != 200:
        raise ConnectionError(f"no metrics from {url}")
    return answer.body.decode()
