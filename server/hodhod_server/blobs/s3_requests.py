"""Requests to an object store: signed, repeated while that helps, refusals as exceptions.

Every request here may be sent twice without harm, so a cut, a time-out, a 5xx and a plea to slow
down are all answered by trying again, later and with jitter. What the store says about its own
state (no such key, no room) is told at once.

Always true: a body is given as something that can be sent again from its beginning. Keys, secrets
and answers of the store reach neither logs nor the text of an exception, only the store's code.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import aiohttp
import msgspec
from yarl import URL

from hodhod_server.blobs.s3_signing import Signer, Unsigned, canonical_query
from hodhod_server.blobs.store import BlobMissing, BlobsFull, BlobsUnavailable
from hodhod_server.domain.backoff import delay_s
from hodhod_server.domain.clock import Clock
from hodhod_server.telemetry import metrics

FIRST_DELAY_S: Final = 0.2
DELAY_S_MAX: Final = 5.0
CONNECT_S: Final = 5.0
SILENCE_S: Final = 30.0  # of a socket; completing a large object takes long and sends spaces
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024  # a page of a thousand names is half of one
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES: Final = frozenset(
    {"InternalError", "SlowDown", "RequestTimeout", "ServiceUnavailable"}
)
_MISSING: Final = frozenset({"NoSuchKey", "NoSuchUpload", "404"})
_FULL: Final = frozenset({"QuotaExceeded", "XMinioStorageFull", "507", "EntityTooLarge", "413"})

Body = Callable[[], AsyncIterator[bytes]]


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Where the objects are. `is_path_style`: the bucket stands in the path, not in the host."""

    endpoint: str
    name: str
    is_path_style: bool

    def address(self, key: str) -> tuple[str, str, str]:
        """The origin, the host and the encoded path of a key; of the bucket for an empty one."""
        scheme, host, base = urlsplit(self.endpoint.rstrip("/"))[:3]
        path = f"{base}/{quote(key, safe='/-_.~')}"
        if self.is_path_style:
            path = f"{base}/{self.name}" + (f"/{quote(key, safe='/-_.~')}" if key else "")
        else:
            host = f"{self.name}.{host}"
        return f"{scheme}://{host}", host, path


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request: `body` begins anew with each try and has `length_bytes`."""

    method: str
    key: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: Body | None = None
    length_bytes: int = 0
    body_sha256: str = Unsigned(method="", path="").body_sha256


class S3Refused(OSError):
    """The store said no, and will say it again."""

    def __init__(self, code: str) -> None:
        super().__init__(errno.EIO, f"the object store refuses: {code}")
        self.code = code


class _Passing(Exception):
    """A failure that another try may not meet."""


class S3Requests:
    """The line to one bucket."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        bucket: Bucket,
        signer: Signer,
        clock: Clock,
        tries: int,
    ) -> None:
        self.bucket = bucket
        self._session = session
        self._signer = signer
        self._clock = clock
        self._tries = tries
        self._dice = random.Random()

    async def text(self, ask: Ask) -> tuple[Mapping[str, str], bytes]:
        """Headers and body of the answer, read whole.

        Raises `BlobMissing`, `BlobsFull`, `BlobsUnavailable`, `S3Refused`.
        """
        for attempt in range(self._tries):
            try:
                async with self._exchange(ask) as response:
                    return response.headers, await _whole(response)
            except _Passing:
                await self._rest(attempt)
        raise BlobsUnavailable

    @contextlib.asynccontextmanager
    async def streaming(self, ask: Ask) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer to be read piece by piece; only its beginning is asked for again."""
        async with contextlib.AsyncExitStack() as stack:
            for attempt in range(self._tries):
                try:
                    response = await stack.enter_async_context(self._exchange(ask))
                except _Passing:
                    await self._rest(attempt)
                    continue
                yield response
                return
            raise BlobsUnavailable

    async def _rest(self, attempt: int) -> None:
        metrics.S3_RETRIES.inc()
        if attempt + 1 < self._tries:
            await asyncio.sleep(
                delay_s(attempt, first_s=FIRST_DELAY_S, max_s=DELAY_S_MAX, dice=self._dice)
            )

    @contextlib.asynccontextmanager
    async def _exchange(self, ask: Ask) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask once. Raises `_Passing` until the answer has begun."""
        try:
            response = await self._send(ask)
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            raise _Passing from None
        async with response:
            if response.status >= 300:
                raise await _refusal(response)
            yield response

    async def _send(self, ask: Ask) -> aiohttp.ClientResponse:
        origin, host, path = self.bucket.address(ask.key)
        request = Unsigned(
            method=ask.method, path=path, query=ask.query, body_sha256=ask.body_sha256
        )
        headers = self._signer.signed(request, {"host": host, **ask.headers}, self._clock.now())
        query = canonical_query(ask.query)
        url = f"{origin}{path}?{query}" if query else f"{origin}{path}"
        headers["content-length"] = str(ask.length_bytes)
        async with asyncio.timeout(None) as patience:
            body = ask.body() if ask.body is not None and ask.length_bytes else None
            return await self._session.request(
                ask.method,
                URL(url, encoded=True),
                headers=headers,
                data=None if body is None else _never_still(body, patience),
                allow_redirects=False,
            )


@contextlib.asynccontextmanager
async def open_session(connections_max: int) -> AsyncIterator[aiohttp.ClientSession]:
    """What requests travel over. A part takes as long as it takes, but never stands still."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections_max),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept-Encoding"),
    ) as session:
        yield session


async def _never_still(
    pieces: AsyncIterator[bytes], patience: asyncio.Timeout
) -> AsyncIterator[bytes]:
    """Each piece that is taken renews the patience; the session waits for the answer."""
    clock = asyncio.get_running_loop().time
    async for piece in pieces:
        patience.reschedule(clock() + SILENCE_S)
        yield piece
    patience.reschedule(None)


def parse(answer: bytes) -> ElementTree.Element:
    """An answer in XML, its namespace taken off: stores do not agree on it."""
    text = re.sub(rb'\sxmlns="[^"]*"', b"", answer.strip(), count=1)
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise BlobsUnavailable from None


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body. A store may say 200, keep us waiting, and then report an error inside."""
    try:
        answer = await response.content.read(ANSWER_BYTES_MAX)
        while piece := await response.content.read(ANSWER_BYTES_MAX):
            answer += piece
            if len(answer) > ANSWER_BYTES_MAX:
                raise S3Refused("answer too long")
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        raise _Passing from None
    if b"<Error>" in answer[:1024]:
        raise _judged(200, _code(answer))
    return answer


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    try:
        answer = await response.content.read(64 * 1024)
    except (aiohttp.ClientError, TimeoutError, ConnectionError):
        answer = b""
    return _judged(response.status, _code(answer))


def _code(answer: bytes) -> str:
    found = re.search(rb"<Code>([A-Za-z0-9]{1,64})</Code>", answer)
    return found[1].decode() if found else ""


def _judged(status: int, code: str) -> Exception:
    if status in _PASSING or code in _PASSING_CODES:
        return _Passing()
    name = code or str(status)
    if name in _MISSING:
        return BlobMissing()
    return BlobsFull() if name in _FULL else S3Refused(name)
