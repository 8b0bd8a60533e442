"""tus 1.0.0 at `/v1/uploads`: core, creation, creation-with-upload, expiration, termination.

`POST` announces a file and tells its address, `PATCH` sends a piece, `HEAD` tells where to go on
after a cut, `DELETE` gives up. `X-HTTP-Method-Override` replaces the method, as the protocol wants.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import Final

from aiohttp import StreamReader, web

from hodhod_server.domain.errors import (
    Malformed,
    TooLarge,
    TusVersionUnsupported,
    UnsupportedMediaType,
)
from hodhod_server.domain.ids import MediaId
from hodhod_server.media import answers, metadata
from hodhod_server.services.uploads import NewUpload, Part, Upload, Uploads
from hodhod_server.web.callers import caller
from hodhod_wire.limits import ID_MAX

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,expiration,termination"
CONTENT_TYPE: Final = "application/offset+octet-stream"
PATH: Final = "/v1/uploads"
METHODS: Final = "POST, HEAD, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset, "
    "X-HTTP-Method-Override, X-Request-Id, X-Requested-With"
)
ANSWER_HEADERS: Final = {
    "Tus-Resumable": VERSION,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Location, Retry-After, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, "
        "Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, X-Request-Id"
    ),
}
_NUMBER: Final = re.compile(r"[0-9]{1,16}")


class Tus:
    """The handlers of the protocol."""

    def __init__(self, uploads: Uploads, *, upload_bytes_max: int) -> None:
        self._uploads = uploads
        self._upload_bytes_max = upload_bytes_max

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
        }
        preflight = answers.preflight(methods=METHODS, headers=REQUEST_HEADERS)
        return web.Response(status=204, headers=headers | preflight)

    async def create(self, request: web.Request) -> web.Response:
        """Announce a file; its first bytes may come along."""
        user = caller(request).user
        new = _announced(request)
        has_bytes = request.content_type == CONTENT_TYPE
        if has_bytes:
            _require_identity(request)
            if (request.content_length or 0) > new.length_bytes:
                raise TooLarge("the body is longer than Upload-Length")
        upload = await self._uploads.create(user, new)
        answers.add(request, {"Location": f"{PATH}/{upload.media_id}"})  # also if the piece fails
        if has_bytes and upload.finished_at is None:
            upload = await self._uploads.write(user, upload.media_id, _part(request, 0))
        return web.Response(status=201, headers=_progress(upload))

    async def head(self, request: web.Request) -> web.Response:
        """Where to go on."""
        upload = await self._uploads.load(caller(request).user, _media_id(request))
        headers = {"Cache-Control": "no-store", "Upload-Length": str(upload.length_bytes)}
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return web.Response(status=200, headers=headers | _progress(upload))

    async def patch(self, request: web.Request) -> web.Response:
        """The next piece."""
        user = caller(request).user
        if request.content_type != CONTENT_TYPE:
            raise UnsupportedMediaType(f"send {CONTENT_TYPE}")
        _require_identity(request)
        part = _part(request, _number(request.headers, "Upload-Offset"))
        upload = await self._uploads.write(user, _media_id(request), part)
        return web.Response(status=204, headers=_progress(upload))

    async def delete(self, request: web.Request) -> web.Response:
        """Give up."""
        await self._uploads.terminate(caller(request).user, _media_id(request))
        return web.Response(status=204)


class _Body:
    """The bytes of a request as they come."""

    def __init__(self, content: StreamReader) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._content.readany()
        except web.RequestPayloadError:
            raise Malformed("the body is not well-formed HTTP") from None
        if not chunk:
            raise StopAsyncIteration
        return chunk


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


def _announced(request: web.Request) -> NewUpload:
    headers = request.headers
    if "Upload-Defer-Length" in headers or "Upload-Concat" in headers:
        raise Malformed("neither a deferred length nor concatenation is offered")
    header = ",".join(headers.getall("Upload-Metadata", []))
    description = metadata.describe(header)
    return NewUpload(
        length_bytes=_number(headers, "Upload-Length"),
        name=description.name,
        content_type=description.content_type,
        metadata=header,
    )


def _part(request: web.Request, offset_bytes: int) -> Part:
    return Part(
        offset_bytes=offset_bytes,
        length_bytes=request.content_length,
        chunks=_Body(request.content),
    )


def _require_identity(request: web.Request) -> None:
    """A compressed body would be unpacked on the way in: its offsets would mean nothing."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("send the bytes as they are, without Content-Encoding")


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if _NUMBER.fullmatch(text) and (value := int(text)) <= ID_MAX:
        return value
    raise Malformed(f"{name} is missing or not a number")


def _media_id(request: web.Request) -> MediaId:
    return MediaId(request.match_info["media_id"])


def _progress(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset_bytes)}
    if upload.finished_at is None:
        headers["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    return headers
