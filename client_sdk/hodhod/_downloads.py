"""Downloads: ranges of a file, in one go or after every cut from where it stood.

A file grows beside its final place and moves there when it is whole, so that no half a file is ever
taken for one; what a stopped program left is gone on with. Links expire, and are asked for again.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from hodhod._errors import ConnectionLost, ServerNotUnderstood, TryLater
from hodhod._files import PIECE_BYTES, PartFile
from hodhod._http import lost_connections, refusal_from
from hodhod._patience import Patience
from hodhod._progress import OnProgress, ProgressTeller
from hodhod_wire.events import File

STALL_S: Final = 30.0
LINK_OVER: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.GONE)
TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=STALL_S, sock_read=STALL_S)

AskLink = Callable[[], Awaitable[str]]


class Source:
    """A file on the server, how to get an address for it, and which version it was."""

    def __init__(self, file: File, ask_link: AskLink) -> None:
        self.file: Final = file
        self.tag: str | None = None
        self._ask_link = ask_link
        self._link: str | None = None

    async def link(self) -> str:
        """An address that works for a while."""
        if self._link is None:
            self._link = await self._ask_link()
        return self._link

    def renew(self) -> None:
        """The address is over: ask for another one next time."""
        self._link = None


class Downloads:
    """Brings files from the server."""

    def __init__(self, session: aiohttp.ClientSession, dice: random.Random) -> None:
        self._session = session
        self._dice = dice
        self._under_way: set[Path] = set()

    async def download(
        self, source: Source, path: str | os.PathLike[str], on_progress: OnProgress | None
    ) -> None:
        """The whole file is at `path` when this returns.

        Raises `Refused`, `ConnectionLost`, `SignedOut`, and `OSError` of the file.
        """
        target = Path(path)
        if target in self._under_way:
            raise ValueError(f"{target.name} is being downloaded already")
        self._under_way.add(target)
        try:
            async with PartFile(target, source.file.media[:8]) as part:
                await self._fill(part, source, ProgressTeller(source.file.size, on_progress))
                await part.finish()
        finally:
            self._under_way.discard(target)

    async def read(self, source: Source, start: int, end: int) -> bytes:
        """The bytes from `start` up to, not including, `end`. Raises as `download`."""
        patience = Patience(self._dice)
        while True:
            try:
                async with await self._get(source, f"bytes={start}-{end - 1}") as answer:
                    data = b"".join([piece async for piece in _pieces(answer)])
                return data if answer.status == HTTPStatus.PARTIAL_CONTENT else data[start:end]
            except (ConnectionLost, TryLater) as failure:
                await patience.wait(failure)

    async def _fill(self, part: PartFile, source: Source, teller: ProgressTeller) -> None:
        patience = Patience(self._dice)
        size = source.file.size
        if part.size > size:
            await part.clear()
        while part.size < size:
            teller.reach(part.size)
            patience.reach(part.size)
            try:
                await self._fetch(part, source, teller)
            except (ConnectionLost, TryLater) as failure:
                await patience.wait(failure)
        if part.size > size:
            raise ServerNotUnderstood("the file is longer than its message says")
        teller.reach(size)

    async def _fetch(self, part: PartFile, source: Source, teller: ProgressTeller) -> None:
        """From where the part ends, as far as it goes."""
        async with await self._get(source, f"bytes={part.size}-" if part.size else "") as answer:
            if answer.status == HTTPStatus.OK and part.size:
                await part.clear()  # another version, or a server that knows no ranges
            _require_start(answer, part.size)
            source.tag = answer.headers.get("ETag")
            async for piece in _pieces(answer):
                await part.append(piece)
                if part.size < source.file.size:
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


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
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
        if len(gathered) >= PIECE_BYTES or not chunk:
            yield bytes(gathered)
            gathered.clear()
        if not chunk:
            return


def _require_start(answer: aiohttp.ClientResponse, start: int) -> None:
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        told = answer.headers.get("Content-Range", "")
        if not told.startswith(f"bytes {start}-"):
            raise ServerNotUnderstood("the server sent another range than was asked for")
