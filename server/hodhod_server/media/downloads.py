"""`GET /v1/media/{id}`: a finished upload, whole or in part, for whoever holds a signed link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

from aiohttp import web

from hodhod_server.domain.errors import MediaNotFound, Overloaded, RangeNotSatisfiable
from hodhod_server.domain.ids import MediaId
from hodhod_server.media import answers, ranges
from hodhod_server.media.presentation import presented
from hodhod_server.media.ranges import Version, Window
from hodhod_server.services.files import BlobMissing, Files, StoredFile
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.telemetry import logs, metrics

log = logs.get("downloads")
STALL_S: Final = 60.0  # a reader that takes no 256 KiB in a minute is cut off, and may come back
RETRY_AFTER_S: Final = 2.0
PATH: Final = "/v1/media/{media_id:[A-Za-z0-9_-]{22,43}}"
OBJECT_PATH: Final = PATH + "/{object:[a-z0-9]{1,16}}"
METHODS: Final = "GET, HEAD, OPTIONS"
REQUEST_HEADERS: Final = "If-Modified-Since, If-None-Match, If-Range, Range"
ANSWER_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, X-Request-Id"
    ),
}


class Downloads:
    """The handlers of files."""

    def __init__(self, files: Files, links: MediaLinks, *, readers_max: int) -> None:
        self._files = files
        self._links = links
        self._readers_max = readers_max
        self._readers = 0

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
        left_s = self._require_valid_link(request)
        file = await self._load(request.match_info)
        version = Version(file.media_id, file.finished_at)
        headers = version.headers | {
            "Accept-Ranges": "bytes",
            "Cache-Control": f"private, max-age={left_s}, immutable",
        }
        if ranges.is_unchanged(request, version):
            return web.Response(status=304, headers=headers)
        window = _window(request, file, version)
        headers |= presented(file.name, file.content_type)
        if window is not None:
            headers["Content-Range"] = _content_range(window, file.length_bytes)
        with self._place():
            return await self._send(request, file, window, headers)

    async def _load(self, asked: Mapping[str, str]) -> StoredFile:
        media_id = MediaId(asked["media_id"])
        if "object" in asked:
            return await self._files.load_object(media_id, asked["object"])
        return await self._files.load(media_id)

    def _require_valid_link(self, request: web.Request) -> int:
        query = request.query
        return self._links.require_valid(
            request.match_info["media_id"],
            user=query.get("user", ""),
            expires=query.get("expires", ""),
            signature=query.get("signature", ""),
        )

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

    async def _send(
        self,
        request: web.Request,
        file: StoredFile,
        window: Window | None,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        start, stop = window or Window(0, file.length_bytes)
        response = web.StreamResponse(status=200 if window is None else 206, headers=headers)
        response.content_length = stop - start
        try:
            async with self._files.reading(file) as reader:
                await response.prepare(request)
                if request.method != "HEAD":
                    async for piece in reader.pieces(start, stop):
                        await _write(response, piece)
                        start += len(piece)
        except BlobMissing:
            raise MediaNotFound from None
        except OSError as error:
            if isinstance(error, ConnectionError) or not response.prepared:
                raise
            log.error("file.not_read", error=error.strerror)
            raise ConnectionResetError("an answer has begun: only a cut can take it back") from None
        if request.method != "HEAD" and start < stop:
            log.error("file.too_short", missing_bytes=stop - start)
            raise ConnectionResetError("an answer has begun: only a cut can take it back")
        await response.write_eof()
        return response


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    try:
        async with asyncio.timeout(STALL_S):
            await response.write(piece)
    except TimeoutError:
        raise ConnectionResetError("the reader stalled") from None
    metrics.DOWNLOADED_BYTES.inc(len(piece))


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
