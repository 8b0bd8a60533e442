"""tus 1.0.0 at `/v1/uploads`: core, creation (also with bytes, also without a length), checksum,
concatenation, expiration, termination.

`POST` announces a file and tells its address, `PATCH` sends a piece, `HEAD` tells where to go on
after a cut, `DELETE` gives up. Addresses are whole where the operator told ours: not every client
understands a relative one. `X-HTTP-Method-Override` replaces the method, as the protocol wants.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import Final

from aiohttp import web

from hodhod_server.domain.errors import Forbidden, TooLarge, UnsupportedMediaType
from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.domain.upload_errors import TusVersionUnsupported
from hodhod_server.media import answers, tus_headers
from hodhod_server.media.receiving import body_of
from hodhod_server.services.uploads import NewUpload, Part, Upload, Uploads
from hodhod_server.web.callers import caller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation,creation-with-upload,creation-defer-length,checksum,concatenation,expiration,"
    "termination"
)
CONTENT_TYPE: Final = "application/offset+octet-stream"
PATH: Final = "/v1/uploads"
METHODS: Final = "POST, HEAD, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Tus-Resumable, Upload-Checksum, Upload-Concat, "
    "Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, "
    "X-HTTP-Method-Override, X-Request-Id, X-Requested-With"
)
ANSWER_HEADERS: Final = {
    "Tus-Resumable": VERSION,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, "
        "Tus-Resumable, Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Expires, "
        "Upload-Length, Upload-Metadata, Upload-Offset, X-Request-Id"
    ),
}


class Tus:
    """The handlers of the protocol."""

    def __init__(
        self, uploads: Uploads, *, upload_bytes_max: int, direct_bytes: int, base_url: str = ""
    ) -> None:
        self._uploads = uploads
        self._base_url = base_url.rstrip("/")
        self._upload_bytes_max = upload_bytes_max
        self._direct_bytes = direct_bytes

    def routes(self) -> list[web.AbstractRouteDef]:
        collection = {"OPTIONS": self.options, "POST": self.create}
        upload = {
            "OPTIONS": self.options,
            "HEAD": self.head,
            "PATCH": self.patch,
            "DELETE": self.delete,
        }
        return [
            web.route("*", PATH, _by_method(collection)),
            web.route("*", PATH + "/{media_id:[A-Za-z0-9_-]{22,43}}", _by_method(upload)),
        ]

    async def interrupt(self, _: web.Application) -> None:
        """An `on_shutdown` signal: nobody waits for the end of a long upload."""
        self._uploads.interrupt()

    async def options(self, request: web.Request) -> web.Response:
        """What this server can do; also a browser's preflight."""
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(self._upload_bytes_max),
            "Tus-Checksum-Algorithm": ",".join(tus_headers.ALGORITHMS),
        }
        preflight = answers.preflight(methods=METHODS, headers=REQUEST_HEADERS)
        return web.Response(status=204, headers=headers | preflight)

    async def create(self, request: web.Request) -> web.Response:
        """Announce a file; its first bytes may come along."""
        user = caller(request).user
        new = tus_headers.announced(request.headers)
        has_bytes = request.content_type == CONTENT_TYPE
        if has_bytes:
            self._require_takes(request, new)
        upload = await self._uploads.create(user, new)
        location = f"{self._base_url}{PATH}/{upload.media_id}"
        answers.add(request, {"Location": location})  # also if the piece fails
        if has_bytes and upload.finished_at is None:
            upload = await self._write(request, user, upload.media_id, 0)
        return web.Response(status=201, headers=_progress(upload))

    def _require_takes(self, request: web.Request, new: NewUpload) -> None:
        """Refuse bytes that come with a creation before anything is made."""
        _require_identity(request)
        if new.parts:
            raise Forbidden("a final upload is made of its parts")
        tus_headers.checksum(request.headers)
        length = self._upload_bytes_max if new.length_bytes is None else new.length_bytes
        if (request.content_length or 0) > length:
            raise TooLarge("the body is longer than Upload-Length")

    async def head(self, request: web.Request) -> web.Response:
        """Where to go on."""
        upload = await self._uploads.load(caller(request).user, _media_id(request))
        headers = {"Cache-Control": "no-store"} | tus_headers.described(upload)
        return web.Response(status=200, headers=headers | _progress(upload))

    async def patch(self, request: web.Request) -> web.Response:
        """The next piece."""
        user = caller(request).user
        if request.content_type != CONTENT_TYPE:
            raise UnsupportedMediaType(f"send {CONTENT_TYPE}")
        _require_identity(request)
        offset_bytes = tus_headers.number(request.headers, "Upload-Offset")
        upload = await self._write(request, user, _media_id(request), offset_bytes)
        return web.Response(status=204, headers=_progress(upload))

    async def _write(
        self, request: web.Request, user: UserId, media_id: MediaId, offset_bytes: int
    ) -> Upload:
        async with contextlib.aclosing(body_of(request, direct_bytes=self._direct_bytes)) as chunks:
            part = Part(
                offset_bytes=offset_bytes,
                length_bytes=request.content_length,
                chunks=chunks,
                checksum=tus_headers.checksum(request.headers),
                upload_length_bytes=tus_headers.late_length(request),
            )
            return await self._uploads.write(user, media_id, part)

    async def delete(self, request: web.Request) -> web.Response:
        """Give up."""
        await self._uploads.terminate(caller(request).user, _media_id(request))
        return web.Response(status=204)


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    async def dispatch(request: web.Request) -> web.StreamResponse:
        answers.add(request, ANSWER_HEADERS)
        method = request.headers.get("X-HTTP-Method-Override", request.method).upper()
        if method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            answers.add(request, {"Tus-Version": VERSION})
            raise TusVersionUnsupported
        if method not in handlers:
            raise web.HTTPMethodNotAllowed(method, handlers)
        return await handlers[method](request)

    return dispatch


def _require_identity(request: web.Request) -> None:
    """A compressed body would be unpacked on the way in: its offsets would mean nothing."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("send the bytes as they are, without Content-Encoding")


def _media_id(request: web.Request) -> MediaId:
    return MediaId(request.match_info["media_id"])


def _progress(upload: Upload) -> dict[str, str]:
    headers = {}
    if upload.finished_at is not None or not upload.is_final:
        headers["Upload-Offset"] = str(upload.offset_bytes)
    if upload.finished_at is None or upload.is_partial:
        headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return headers
