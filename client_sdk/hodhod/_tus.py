"""tus 1.0.0 as requests: what a server offers, announce, ask, send, join.

Every answer is either understood or an exception: `Gone` where the server does not know the upload,
`ConnectionLost` where the request may simply be made again, `Refused` for the rest.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Final

import aiohttp
import msgspec
from msgspec import Struct

from hodhod._account import Account
from hodhod._addresses import AddressBook
from hodhod._errors import ConnectionLost, Refused, ServerNotUnderstood, TryLater
from hodhod._http import lost_connections, refusal_from

PATH: Final = "/v1/uploads"
KNOWN_PATH: Final = "/v1/uploads/known"
OCTETS: Final = "application/offset+octet-stream"
CHECKSUM: Final = "sha256"
CHECKSUM_MISMATCH: Final = 460
STALL_S: Final = 30.0  # a link that takes no piece for so long is dead
ANSWER_S: Final = 120.0  # after the last byte the server makes it durable
SLICE_BYTES: Final = 128 * 1024

OnSent = Callable[[int], None]


class Gone(Exception):
    """The server does not know this upload any more."""


class Offer(Struct, frozen=True):
    """What a server can do, and how long it took to say so."""

    extensions: frozenset[str]
    has_checksum: bool
    answer_s: float


class Chunk(Struct, frozen=True):
    """Bytes on their way. `length` is the whole upload's, where it is told with this chunk."""

    offset: int
    data: bytes
    length: int | None = None


class Tus:
    """Requests about uploads, as whoever is signed in."""

    def __init__(
        self, session: aiohttp.ClientSession, account: Account, addresses: AddressBook
    ) -> None:
        self._session = session
        self._account = account
        self._addresses = addresses
        self._offer: Offer | None = None

    async def offer(self) -> Offer:
        """Asked once. A server that refuses the question can do the least."""
        if self._offer is None:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            try:
                headers = await self._ask("OPTIONS", PATH, {})
            except TryLater:
                raise
            except (Gone, Refused):
                headers = {}
            self._offer = Offer(
                frozenset(headers.get("Tus-Extension", "").split(",")),
                CHECKSUM in headers.get("Tus-Checksum-Algorithm", "").split(","),
                loop.time() - began_s,
            )
        return self._offer

    async def create(self, headers: Mapping[str, str], **metadata: str) -> str:
        """A new upload's address, as the server names it."""
        pairs = {"Upload-Metadata": _metadata(metadata)} if metadata else {}
        answer = await self._ask("POST", PATH, {**headers, **pairs})
        if "Location" not in answer:
            raise ServerNotUnderstood("the server names no address for the upload")
        return answer["Location"]

    async def take_known(self, sha256: str, **about: str | int) -> str | None:
        """The address of a finished upload with these bytes, where the server has them for us."""
        body = msgspec.json.encode({"sha256": sha256, **about})
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        try:
            answer = await self._ask("POST", KNOWN_PATH, headers, body)
        except Refused as refused:
            if refused.code == "unauthenticated":
                raise
            return None  # not known, asked too often, or a server that knows no such question
        return answer.get("Location")

    async def offset(self, location: str) -> int:
        """How far it got."""
        return _offset(await self._ask("HEAD", location, {}))

    async def send(self, location: str, chunk: Chunk, on_sent: OnSent) -> int:
        """Bring bytes; the new offset. `on_sent` gets how many were handed to the network."""
        headers = {
            "Upload-Offset": str(chunk.offset),
            "Content-Type": OCTETS,
            "Content-Length": str(len(chunk.data)),
        }
        if chunk.length is not None:
            headers["Upload-Length"] = str(chunk.length)
        if (await self.offer()).has_checksum:
            headers["Upload-Checksum"] = await asyncio.to_thread(_checksum, chunk.data)
        try:
            async with asyncio.timeout(STALL_S) as watchdog:
                body = _slices(chunk.data, on_sent, watchdog)
                return _offset(await self._ask("PATCH", location, headers, body))
        except TimeoutError:
            raise ConnectionLost("the upload stalled") from None

    async def _ask(
        self,
        method: str,
        location: str,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | bytes | None = None,
    ) -> Mapping[str, str]:
        """The headers of a good answer."""
        token = await self._account.access_token()
        always = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {token}"}
        url = self._addresses.media(location)
        with lost_connections():
            async with self._session.request(
                method, url, headers={**always, **headers}, data=body, timeout=_timeout(body)
            ) as answer:
                problem = await answer.read()
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer.headers
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) and method != "POST":
            raise Gone
        if answer.status == CHECKSUM_MISMATCH:
            raise ConnectionLost("the bytes were damaged on their way")
        if answer.status == HTTPStatus.UNAUTHORIZED:
            await self._account.renew(token)
            raise TryLater("unauthenticated", retry_after_s=0.0)
        raise refusal_from(answer.status, answer.headers, problem)


async def _slices(data: bytes, on_sent: OnSent, watchdog: asyncio.Timeout) -> AsyncIterator[bytes]:
    """Each slice that is taken renews the watchdog's patience."""
    for start in range(0, len(data), SLICE_BYTES):
        stop = min(len(data), start + SLICE_BYTES)
        patience_s = STALL_S if stop < len(data) else ANSWER_S
        watchdog.reschedule(asyncio.get_running_loop().time() + patience_s)
        on_sent(start)
        yield data[start:stop]


def _timeout(body: AsyncIterator[bytes] | bytes | None) -> aiohttp.ClientTimeout:
    """A body that comes in slices has a watchdog of its own."""
    is_short = body is None or isinstance(body, bytes)
    return aiohttp.ClientTimeout(total=STALL_S if is_short else None, sock_connect=STALL_S)


def _checksum(data: bytes) -> str:
    return f"{CHECKSUM} {base64.b64encode(hashlib.sha256(data).digest()).decode()}"


def _metadata(pairs: Mapping[str, str]) -> str:
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items()
    )


def _offset(headers: Mapping[str, str]) -> int:
    try:
        return int(headers["Upload-Offset"])
    except (KeyError, ValueError):
        raise ServerNotUnderstood("the server does not tell how far the upload is") from None
