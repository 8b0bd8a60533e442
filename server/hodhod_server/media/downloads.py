"""`GET /v1/media/{id}`: a finished upload, whole or in part, for whoever holds a signed link.

A link is as good as its holder's sight of the message that it was minted for: that is looked at
when a request comes, and again every `recheck_s` of a long one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from aiohttp import web

from hodhod_server.domain.errors import (
    LinkInvalid,
    MediaNotFound,
    Overloaded,
    RangeNotSatisfiable,
)
from hodhod_server.domain.ids import MediaId
from hodhod_server.media import answers, ranges
from hodhod_server.media.presentation import presented
from hodhod_server.media.ranges import Version, Window
from hodhod_server.media.sending import Sender, is_sendable
from hodhod_server.services.files import BlobMissing, Files, Reader, StoredFile
from hodhod_server.services.media_links import MediaLinks, Sight
from hodhod_server.telemetry import logs, metrics

log = logs.get("downloads")
STALL_S: Final = 60.0  # a reader that takes nothing for a minute is cut off, and may come back
RETRY_AFTER_S: Final = 2.0
PATH: Final = "/v1/media/{media_id:[A-Za-z0-9_-]{22,43}}"
OBJECT_PATH: Final = PATH + "/{object:[a-z0-9]{1,16}}"
METHODS: Final = "GET, HEAD, OPTIONS"
REQUEST_HEADERS: Final = "If-Modified-Since, If-None-Match, If-Range, Range"
ANSWER_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, "
        "Repr-Digest, X-Request-Id"
    ),
}


class Downloads:
    """The handlers of files."""

    def __init__(
        self, files: Files, links: MediaLinks, sending: Sending, *, recheck_s: float
    ) -> None:
        self._files = files
        self._links = links
        self._sending = sending
        self._recheck_s = recheck_s

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            *(web.get(path, self.download) for path in (PATH, OBJECT_PATH)),
            *(web.options(path, self.options) for path in (PATH, OBJECT_PATH)),
        ]

    async def options(self, request: web.Request) -> web.Response:
        """A browser's preflight."""
        answers.add(request, ANSWER_HEADERS)
        preflight = answers.preflight(methods=METHODS, headers=REQUEST_HEADERS)
        return web.Response(status=204, headers=preflight)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The file, a range of it, or that the client has it already."""
        answers.add(request, ANSWER_HEADERS)
        media_id = MediaId(request.match_info["media_id"])
        grant = self._links.require_valid(media_id, request.query)
        visit = Visit(self._files, grant.sight, self._recheck_s)
        await visit.require_sight()
        file = await self._load(media_id, request.match_info.get("object"))
        headers = {"Cache-Control": f"private, max-age={grant.left_s}, immutable"}
        headers |= presented(file.name, file.content_type) | _digest(file)
        if redirect := self._sending.redirect(self._files.place_of(file)):
            return web.Response(headers=headers | redirect)
        version = Version(file.media_id, file.finished_at)
        headers |= version.headers | {"Accept-Ranges": "bytes"}
        if ranges.is_unchanged(request, version):
            return web.Response(status=304, headers=headers)
        window = _window(request, file, version)
        if window is not None:
            headers["Content-Range"] = _content_range(window, file.length_bytes)
        return await self._sending.send(request, visit, file, window, headers)

    async def _load(self, media_id: MediaId, derived: str | None) -> StoredFile:
        if derived is not None:
            return await self._files.load_object(media_id, derived)
        return await self._files.load(media_id)


class Visit:
    """Somebody at a file, whose right is looked at again in the course of a long download."""

    def __init__(self, files: Files, sight: Sight | None, recheck_s: float) -> None:
        self.files: Final = files
        self._sight = sight
        self._recheck_s = recheck_s
        self._due_s = 0.0

    async def require_sight(self) -> None:
        """Raises `LinkInvalid`. Asks once in `recheck_s`."""
        now_s = asyncio.get_running_loop().time()
        if self._sight is not None and now_s >= self._due_s:
            self._due_s = now_s + self._recheck_s
            await self.files.require_sight(self._sight)


class Sending:
    """Brings bytes to readers, of whom there is a bounded number, or has nginx do it."""

    def __init__(self, sender: Sender, *, readers_max: int, accel_location: str = "") -> None:
        self._sender = sender
        self._readers_max = readers_max
        self._accel_location = accel_location
        self._readers = 0

    def redirect(self, place: str | None) -> dict[str, str] | None:
        """The header by which nginx sends the file; it then sees to ranges and conditions."""
        if not self._accel_location or place is None:
            return None
        return {"X-Accel-Redirect": f"{self._accel_location}/{place}"}

    async def send(
        self,
        request: web.Request,
        visit: Visit,
        file: StoredFile,
        window: Window | None,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        """The answer, whole when this returns. Raises `Overloaded`, `MediaNotFound`."""
        start, stop = window or Window(0, file.length_bytes)
        response = web.StreamResponse(status=200 if window is None else 206, headers=headers)
        response.content_length = stop - start
        try:
            with self._place():
                async with visit.files.reading(file) as reader:
                    await response.prepare(request)
                    if request.method != "HEAD":
                        moving = self._moving(request, response, reader, Window(start, stop))
                        start += await _watched(moving, visit)
        except BlobMissing:
            raise MediaNotFound from None
        except (OSError, LinkInvalid) as error:
            if isinstance(error, ConnectionError) or not response.prepared:
                raise
            if isinstance(error, OSError):
                log.error("file.not_read", error=error.strerror)
            raise ConnectionResetError("an answer has begun: only a cut can take it back") from None
        if request.method != "HEAD" and start < stop:
            log.error("file.too_short", missing_bytes=stop - start)
            raise ConnectionResetError("an answer has begun: only a cut can take it back")
        await response.write_eof()
        return response

    async def _moving(
        self,
        request: web.Request,
        response: web.StreamResponse,
        reader: Reader,
        window: Window,
    ) -> AsyncGenerator[int, None]:
        """The bytes on their way; yields how many went."""
        transport, descriptor = request.transport, reader.descriptor
        if transport is not None and descriptor is not None and is_sendable(transport):
            sending = self._sender.send(transport, descriptor, *window)
            async with contextlib.aclosing(sending):
                async for sent in sending:
                    yield sent
        else:
            async for piece in reader.pieces(*window):
                await response.write(piece)
                yield len(piece)

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self._readers >= self._readers_max:
            raise Overloaded("too many downloads at once", retry_after_s=RETRY_AFTER_S)
        self._readers += 1
        metrics.DOWNLOADS_RUNNING.inc()
        try:
            yield
        finally:
            self._readers -= 1
            metrics.DOWNLOADS_RUNNING.dec()


async def _watched(moving: AsyncGenerator[int, None], visit: Visit) -> int:
    """How many bytes went until the end. Cuts off who stalls, or lost the right."""
    total = 0
    try:
        async with contextlib.aclosing(moving), asyncio.timeout(STALL_S) as patience:
            async for sent in moving:
                total += sent
                metrics.DOWNLOADED_BYTES.inc(sent)
                await visit.require_sight()
                patience.reschedule(asyncio.get_running_loop().time() + STALL_S)
    except TimeoutError:
        raise ConnectionResetError("the reader stalled") from None
    return total


def _digest(file: StoredFile) -> dict[str, str]:
    """RFC 9530, of the whole file also where a part of it is asked for."""
    if file.sha256 is None:
        return {}
    return {"Repr-Digest": f"sha-256=:{base64.b64encode(file.sha256).decode()}:"}


def _window(request: web.Request, file: StoredFile, version: Version) -> Window | None:
    if request.method != "GET":
        return None  # RFC 9110 section 14.2: ranges are defined for GET only
    try:
        return ranges.chosen(request.headers, version, file.length_bytes)
    except RangeNotSatisfiable:
        answers.add(request, {"Content-Range": f"bytes */{file.length_bytes}"})
        raise


def _content_range(window: Window, size_bytes: int) -> str:
    return f"bytes {window.start}-{window.stop - 1}/{size_bytes}"
