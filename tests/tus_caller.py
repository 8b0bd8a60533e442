"""A tus client for tests: each request as it is told, each answer as it came."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec
from multidict import CIMultiDictProxy

from tests.people import Person

Body = bytes | AsyncIterable[bytes] | None
OCTETS = "application/offset+octet-stream"


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code of a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(self.members["code"])

    @property
    def members(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def offset(self) -> int:
        return int(self.headers["Upload-Offset"])


class TusCaller:
    """One person at one media role."""

    def __init__(self, session: aiohttp.ClientSession, base: str, person: Person) -> None:
        self._session = session
        self.base = base
        self.person = person
        self.headers = {"Authorization": f"Bearer {person.token}", "Tus-Resumable": "1.0.0"}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, base: str, person: Person) -> AsyncIterator[TusCaller]:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield cls(session, base, person)

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | None] | None = None,
        body: Body = None,
    ) -> Answer:
        """A request with the usual headers; one that is `None` is left out."""
        merged = {**self.headers, **(headers or {})}
        given = {name: value for name, value in merged.items() if value is not None}
        data = io.BytesIO(body) if isinstance(body, bytes) and len(body) > 65_536 else body
        async with self._session.request(
            method, self.base + path, headers=given, data=data, skip_auto_headers=["Content-Type"]
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def create(self, length: int, **headers: str) -> str:
        """Announce an upload; its path."""
        answer = await self.ask("POST", "/v1/uploads", {"Upload-Length": str(length), **headers})
        assert answer.status == 201, answer
        return answer.headers["Location"]

    async def patch(self, path: str, offset: int, body: Body, **headers: str) -> Answer:
        always = {"Upload-Offset": str(offset), "Content-Type": OCTETS}
        return await self.ask("PATCH", path, {**always, **headers}, body)

    async def head(self, path: str) -> Answer:
        return await self.ask("HEAD", path)

    async def upload(self, content: bytes, name: str = "", content_type: str = "") -> str:
        """A whole file; its media id."""
        path = await self.create(
            len(content), **{"Upload-Metadata": metadata(filename=name, filetype=content_type)}
        )
        if content:
            assert (await self.patch(path, 0, content)).status == 204
        return path.rpartition("/")[2]

    async def get(self, url: str, **headers: str) -> Answer:
        """A download, without a token."""
        async with self._session.get(url, headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.read())


def metadata(**pairs: str) -> str:
    """An `Upload-Metadata` header."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items()
    )


class RawUpload:
    """A PATCH on a bare socket, to stop in the middle of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begin(
        cls, caller: TusCaller, path: str, offset: int, length: int | None
    ) -> RawUpload:
        """Sends the head of a PATCH that promises `length` bytes; `None`: a chunked body."""
        host, _, port = caller.base.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [
            f"PATCH {path} HTTP/1.1",
            f"Host: {host}",
            *(f"{name}: {value}" for name, value in caller.headers.items()),
            f"Content-Type: {OCTETS}",
            f"Upload-Offset: {offset}",
            "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await writer.drain()
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int:
        """The status of the answer."""
        return int((await self._reader.readline()).split()[1])

    async def close(self) -> None:
        """Say goodbye as a phone does that has a moment left."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Vanish."""
        self._writer.transport.abort()
