"""What an object store can do, as calls: objects, their ranges, their listings, their parts."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import aiohttp
import msgspec

from hodhod_server.blobs.s3_requests import Ask, Body, S3Requests, parse
from hodhod_server.blobs.store import BlobMissing

PAGE: Final = "1000"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes to be sent, as often as it takes."""

    body: Body
    length_bytes: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Content:
        async def once() -> AsyncIterator[bytes]:
            yield data

        digest = hashlib.sha256(data).hexdigest()
        return cls(body=once, length_bytes=len(data), sha256=digest)


class ListedObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object in a listing; its name without the prefix that was asked for."""

    name: str
    size_bytes: int
    modified_at: datetime


class ListedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part that arrived."""

    number: int
    etag: str
    size_bytes: int


class Window(msgspec.Struct, frozen=True):
    """The bytes of an object from `start` up to `stop`."""

    key: str
    start: int
    stop: int

    @property
    def length_bytes(self) -> int:
        return self.stop - self.start


class Objects:
    """The objects of one bucket under one prefix; keys are told without it."""

    def __init__(self, requests: S3Requests, prefix: str) -> None:
        self._requests = requests
        self._prefix = prefix

    async def put(self, key: str, content: Content) -> None:
        await self._requests.text(self._ask("PUT", key, content=content))

    async def read(self, key: str) -> bytes:
        """A small object whole. Raises `BlobMissing`."""
        return (await self._requests.text(self._ask("GET", key)))[1]

    async def size_bytes(self, key: str) -> int:
        """Raises `BlobMissing`."""
        headers, _ = await self._requests.text(self._ask("HEAD", key))
        return int(headers["Content-Length"])

    @contextlib.asynccontextmanager
    async def reading(self, window: Window) -> AsyncIterator[aiohttp.ClientResponse]:
        """A range of an object as it comes. It is not empty. Raises `BlobMissing`."""
        headers = {"range": f"bytes={window.start}-{window.stop - 1}"}
        ask = msgspec.structs.replace(self._ask("GET", window.key), headers=headers)
        async with self._requests.streaming(ask) as response:
            yield response

    async def delete(self, key: str) -> None:
        with contextlib.suppress(BlobMissing):
            await self._requests.text(self._ask("DELETE", key))

    async def listed(self, below: str, *, is_flat: bool = False) -> AsyncIterator[ListedObject]:
        """Objects whose key begins with `below`; where `is_flat`, none with a `/` after it."""
        prefix, token = self._prefix + below, ""
        while True:
            query = [("list-type", "2"), ("prefix", prefix), ("max-keys", PAGE)]
            query += [("delimiter", "/")] if is_flat else []
            query += [("continuation-token", token)] if token else []
            _, answer = await self._requests.text(Ask(method="GET", query=tuple(query)))
            page = parse(answer)
            for found in page.findall("Contents"):
                yield ListedObject(
                    name=_text(found, "Key").removeprefix(prefix),
                    size_bytes=int(_text(found, "Size")),
                    modified_at=_moment(_text(found, "LastModified")),
                )
            token = _text(page, "NextContinuationToken")
            if not token:
                return

    async def begin_parts(self, key: str) -> str:
        """A multipart upload; its id."""
        ask = self._ask("POST", key, query=(("uploads", ""),))
        return _text(parse((await self._requests.text(ask))[1]), "UploadId")

    async def put_part(self, key: str, upload_id: str, number: int, content: Content) -> None:
        """Send a part; sent again, it replaces itself."""
        query = (("partNumber", str(number)), ("uploadId", upload_id))
        await self._requests.text(self._ask("PUT", key, query=query, content=content))

    async def copy_part(self, key: str, upload_id: str, number: int, source: Window) -> None:
        """A part made by the store itself, of bytes it has."""
        ask = self._ask("PUT", key, query=(("partNumber", str(number)), ("uploadId", upload_id)))
        headers = {
            "x-amz-copy-source": f"/{self._requests.bucket.name}/{self._prefix}{source.key}",
            "x-amz-copy-source-range": f"bytes={source.start}-{source.stop - 1}",
        }
        await self._requests.text(msgspec.structs.replace(ask, headers=headers))

    async def parts(self, key: str, upload_id: str) -> list[ListedPart]:
        """The parts that arrived. Raises `BlobMissing` where the multipart upload is gone."""
        listed: list[ListedPart] = []
        while True:
            marker = str(listed[-1].number if listed else 0)
            query = (("uploadId", upload_id), ("part-number-marker", marker), ("max-parts", PAGE))
            _, answer = await self._requests.text(self._ask("GET", key, query=query))
            page = parse(answer)
            listed += [
                ListedPart(
                    number=int(_text(found, "PartNumber")),
                    etag=_text(found, "ETag"),
                    size_bytes=int(_text(found, "Size")),
                )
                for found in page.findall("Part")
            ]
            if _text(page, "IsTruncated") != "true":
                return listed

    async def end_parts(self, key: str, upload_id: str, parts: Sequence[ListedPart]) -> None:
        """Make the object of its parts. Raises `BlobMissing` where that was done already."""
        rows = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
            for part in parts
        )
        text = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>"
        query = (("uploadId", upload_id),)
        content = Content.of(text.encode())
        await self._requests.text(self._ask("POST", key, query=query, content=content))

    async def abort_parts(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(BlobMissing):
            await self._requests.text(self._ask("DELETE", key, query=(("uploadId", upload_id),)))

    async def unfinished(self) -> AsyncIterator[tuple[str, str, datetime]]:
        """Every multipart upload under way: key, id, and when it began."""
        marker: tuple[tuple[str, str], ...] = ()
        while True:
            query = (("uploads", ""), ("prefix", self._prefix), ("max-uploads", PAGE), *marker)
            page = parse((await self._requests.text(Ask(method="GET", query=query)))[1])
            for found in page.findall("Upload"):
                key = _text(found, "Key").removeprefix(self._prefix)
                yield key, _text(found, "UploadId"), _moment(_text(found, "Initiated"))
            if _text(page, "IsTruncated") != "true":
                return
            marker = (
                ("key-marker", _text(page, "NextKeyMarker")),
                ("upload-id-marker", _text(page, "NextUploadIdMarker")),
            )

    def _ask(
        self,
        method: str,
        key: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        content: Content | None = None,
    ) -> Ask:
        ask = Ask(method=method, key=self._prefix + key, query=query)
        if content is None:
            return ask
        return msgspec.structs.replace(
            ask,
            body=content.body,
            length_bytes=content.length_bytes,
            body_sha256=content.sha256,
        )


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(name) or ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
