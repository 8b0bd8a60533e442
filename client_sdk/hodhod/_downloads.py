"""Downloads: ranges of a file, in one go or after every cut from where it stood.

A file grows beside its final place and moves there when it is whole, so that no half a file is ever
taken for one; what a stopped program left is gone on with. Links expire, and are asked for again.
"""

from __future__ import annotations

import base64
import os
import random
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from hodhod._errors import ConnectionLost, ServerNotUnderstood, TryLater
from hodhod._files import PIECE_BYTES, PartFile
from hodhod._http import lost_connections, refusal_from
from hodhod._patience import Patience
from hodhod._progress import OnProgress, ProgressTeller
from hodhod_wire.events import File

STALL_S: Final = 30.0
STREAM_BYTES: Final = 64 * 1024  # what a player gets at a time
DAMAGED_MAX: Final = 2
_DIGEST: Final = re.compile(r"\bsha-256=:([A-Za-z0-9+/]{43}=):")
LINK_OVER: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.GONE)
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=STALL_S, sock_read=STALL_S)

AskLink = Callable[[], Awaitable[str]]


class Source:
    """A file on the server or something made of it, how to get an address, which version it was."""

    def __init__(self, file: File, ask_link: AskLink, made: str | None = None) -> None:
        self.mark: Final = f"{file.media[:8]}-{made}" if made else file.media[:8]
        self.size: int | None = None if made or file.awaited else file.size
        """Of what is made of a file, and of one that was announced, the server tells it."""
        self.tag: str | None = None
        self.sha256: bytes | None = None
        self._made = made
        self._ask_link = ask_link
        self._link: str | None = None

    async def link(self) -> str:
        """An address that works for a while."""
        if self._link is None:
            parts = urlsplit(await self._ask_link())
            path = f"{parts.path}/{self._made}" if self._made else parts.path
            self._link = parts._replace(path=path).geturl()
        return self._link

    def renew(self) -> None:
        """The address is over: ask for another one next time."""
        self._link = None

    def learn(self, answer: aiohttp.ClientResponse) -> None:
        """What an answer says of the whole."""
        self.tag = answer.headers.get("ETag")
        self.sha256 = _sha256(answer.headers.get("Repr-Digest", "")) or self.sha256
        if self.size is None:
            whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
            told = whole or answer.headers.get("Content-Length", "")
            if not told.isdecimal():
                raise ServerNotUnderstood("the server does not tell how long the file is")
            self.size = int(told)


class Downloads:
    """Brings files from the server."""

    def __init__(self, session: aiohttp.ClientSession, dice: random.Random) -> None:
        self._session = session
        self._dice = dice
        self._under_way: set[Path] = set()

    async def download(
        self, source: Source, path: str | os.PathLike[str], on_progress: OnProgress | None
    ) -> None:
        """The whole file is at `path` when this returns, and is what the server says it is.

        Raises `Refused`, `ConnectionLost`, `SignedOut`, and `OSError` of the file.
        """
        target = Path(path)
        if target in self._under_way:
            raise ValueError(f"{target.name} is being downloaded already")
        self._under_way.add(target)
        try:
            async with PartFile(target, source.mark) as part:
                for _ in range(DAMAGED_MAX):
                    await self._fill(part, source, ProgressTeller(source.size, on_progress))
                    if await part.has_sha256(source.sha256):
                        await part.finish()
                        return
                    await part.clear()  # of another version, or damaged on the way
            raise ServerNotUnderstood("the file is not what the server says it is")
        finally:
            self._under_way.discard(target)

    async def read(self, source: Source, start: int, end: int) -> bytes:
        """The bytes from `start` up to, not including, `end`. Raises as `download`."""
        return b"".join([piece async for piece in self.stream(source, start, end)])

    async def stream(
        self, source: Source, start: int, end: int | None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` on as they arrive, over cuts. Raises as `download`."""
        patience = Patience(self._dice)
        while end is None or start < end:
            wanted = f"bytes={start}-" + ("" if end is None else str(end - 1))
            try:
                async with await self._get(source, wanted) as answer:
                    if answer.status == HTTPStatus.OK and start:
                        raise ServerNotUnderstood("the server sends no parts of files")
                    _require_start(answer, start)
                    source.learn(answer)
                    end = min(end or _far(source), _far(source))
                    async for piece in _pieces(answer, STREAM_BYTES):
                        fitting = piece[: end - start]
                        start += len(fitting)
                        if fitting:
                            patience.reach(start)
                            yield fitting
            except (ConnectionLost, TryLater) as failure:
                await patience.wait(failure)

    async def _fill(self, part: PartFile, source: Source, teller: ProgressTeller) -> None:
        patience = Patience(self._dice)
        if source.size is not None and part.size > source.size:
            await part.clear()
        while source.size is None or part.size < source.size:
            teller.reach(part.size)
            patience.reach(part.size)
            try:
                await self._fetch(part, source, teller)
            except (ConnectionLost, TryLater) as failure:
                await patience.wait(failure)
        if part.size > _far(source):
            raise ServerNotUnderstood("the file is longer than its message says")
        teller.reach(part.size)
        teller.complete()

    async def _fetch(self, part: PartFile, source: Source, teller: ProgressTeller) -> None:
        """From where the part ends, as far as it goes."""
        async with await self._get(source, f"bytes={part.size}-" if part.size else "") as answer:
            if answer.status == HTTPStatus.OK and part.size:
                await part.clear()  # another version, or a server that knows no ranges
            _require_start(answer, part.size)
            source.learn(answer)
            async for piece in _pieces(answer, PIECE_BYTES):
                await part.append(piece)
                if part.size < _far(source):
                    teller.reach(part.size)

    async def _get(self, source: Source, wanted: str) -> aiohttp.ClientResponse:
        headers = {"Accept-Encoding": "identity"}
        if wanted:
            headers["Range"] = wanted
        if wanted and source.tag is not None and not source.tag.startswith("W/"):
            headers["If-Range"] = source.tag
        url = await source.link()
        with lost_connections():
            answer = await self._session.get(url, headers=headers, timeout=TIMEOUT)
            if answer.status < HTTPStatus.BAD_REQUEST:
                return answer
            async with answer:
                problem = await answer.read()
        if answer.status in LINK_OVER:
            source.renew()
            raise TryLater("link_expired", retry_after_s=0.0)
        raise refusal_from(answer.status, answer.headers, problem)


async def _pieces(answer: aiohttp.ClientResponse, piece_bytes: int) -> AsyncGenerator[bytes, None]:
    """What arrives, gathered to pieces worth a write; what came before a cut, too."""
    gathered = bytearray()
    while True:
        try:
            with lost_connections():
                chunk = await answer.content.readany()
        except ConnectionLost:
            yield bytes(gathered)
            raise
        gathered += chunk
        if len(gathered) >= piece_bytes or not chunk:
            yield bytes(gathered)
            gathered.clear()
        if not chunk:
            return


def _require_start(answer: aiohttp.ClientResponse, start: int) -> None:
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        told = answer.headers.get("Content-Range", "")
        if not told.startswith(f"bytes {start}-"):
            raise ServerNotUnderstood("the server sent another range than was asked for")


def _far(source: Source) -> int:
    assert source.size is not None
    return source.size


def _sha256(header: str) -> bytes | None:
    """From `Repr-Digest` (RFC 9530), where it has one."""
    match = _DIGEST.search(header)
    return None if match is None else base64.b64decode(match[1])
