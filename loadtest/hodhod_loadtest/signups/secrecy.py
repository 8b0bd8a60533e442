"""After a wave: is a code, a number or a provider's key anywhere where a thief might read it?

Searched are all text and bytes of the database, everything in Valkey, the logs of the server and of
its engines, and the metrics of every role. A code is six digits with nothing of a word or a number
beside them; what carriers call their messages are such numbers, and is left out. Bytes are searched
as they are: written out, a byte such as `\\352` beside three digits would look like a code.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from hodhod_loadtest.bench.growing import database_of
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.signups.door import http_client
from hodhod_loadtest.signups.stage import Stage
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.settings import RedisSettings

_CODE: Final = re.compile(rb"(?<![\w.])[0-9]{6}(?![\w.])")
_NUMBER: Final = re.compile(rb"[0-9]{10,}")
_NUMBER_DIGITS: Final = 10
_CODES: Final = 1_000_000
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
        """How much was searched, what was found, and where.

        Of six digits that stand alone, some are a code that somebody was shown by chance: how many
        that would be is told beside.
        """
        phones = {handed.phone.encode() for handed in stage.street.handed}
        codes = {code.encode() for code in stage.street.handsets.shown}
        keys = [key.encode() for key in stage.street.keys]
        searched = six_digits = 0
        found: Counter[str] = Counter()
        async for place, held in _everything(stage):
            searched += len(held)
            six_digits += len(_CODE.findall(held))
            found[place] += await asyncio.to_thread(leaks, held, phones, codes, keys)
        return {
            "searched for secrets, MB": searched / 1e6,
            "secrets found": found.total(),
            "codes there by chance": six_digits * len(codes) / _CODES,
        } | {f"secrets found in {place}": count for place, count in found.items() if count}


def leaks(held: bytes, phones: set[bytes], codes: set[bytes], keys: Sequence[bytes]) -> int:
    """How many of these are in what was held somewhere. Pure."""
    found = sum(match[-_NUMBER_DIGITS:] in phones for match in _NUMBER.findall(held))
    found += sum(match in codes for match in _CODE.findall(held))
    return found + sum(held.count(key) for key in keys)


async def _everything(stage: Stage) -> AsyncIterator[tuple[str, bytes]]:
    data_dir = stage.server.data_dir
    async for place, held in _in_database(stage):
        yield place, held
    told = msgspec.json.decode((data_dir / "processes.json").read_bytes())
    async for held in _in_redis(told["redis_url"]):
        yield "Valkey", held
    for log in (stage.server.log, *data_dir.glob("*.log")):
        yield log.name, await asyncio.to_thread(log.read_bytes)
    async with http_client() as http:
        for process in told["processes"]:
            if process["port"]:
                yield "metrics", await _metrics(http, f"http://127.0.0.1:{process['port']}")


async def _in_database(stage: Stage) -> AsyncIterator[tuple[str, bytes]]:
    async with database_of(stage.server.data_dir) as connection:
        for table, column, kind in await connection.fetch(_PLACES):
            held = column if kind == "bytea" else f"convert_to({column}::text, 'UTF8')"
            together = f"SELECT string_agg({held}, '\\x0a'::bytea) FROM {table}"
            yield f"{table}.{column}", await connection.fetchval(together) or b""


async def _in_redis(url: str) -> AsyncIterator[bytes]:
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
            yield b" ".join(_bytes_in([key, told]))


def _bytes_in(told: object) -> Iterator[bytes]:
    """All byte strings in an answer of Valkey."""
    match told:
        case bytes():
            yield told
        case Mapping():
            for pair in told.items():
                yield from _bytes_in(pair)
        case list() | tuple() | set():
            for one in told:
                yield from _bytes_in(one)


async def _metrics(http: Client, url: str) -> bytes:
    peer = http.peer(url)
    answer = await peer.ask(b"GET /metrics HTTP/1.1\r\nHost: %b\r\n\r\n" % peer.host)
    if answer.status != 200:
        raise ConnectionError(f"no metrics from {url}")
    return answer.body
