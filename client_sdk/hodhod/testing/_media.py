"""The fake's files: tus uploads and range downloads in memory, over connections that break."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web

from hodhod.testing._doors import Doors, problem
from hodhod.testing._faults import Faults
from hodhod_wire.errors import ErrorCode

TUS: Final = {"Tus-Resumable": "1.0.0"}
PIECE_BYTES: Final = 64 * 1024


@dataclass(slots=True)
class FakeUpload:
    """A file that is arriving, or has arrived."""

    length: int
    metadata: str
    data: bytearray = field(default_factory=bytearray)


class Media:
    """All files."""

    def __init__(self, doors: Doors) -> None:
        self.faults = Faults()
        self.uploads: dict[str, FakeUpload] = {}
        """By id; what is taken out has expired."""
        self.requests: list[str] = []
        """Methods that were called, oldest first, with the range or offset they named."""
        self.links_over = 0
        """So many links are still refused as expired."""
        self._doors = doors
        self._since_cut = 0

    def routes(self) -> list[web.RouteDef]:
        """What the media role serves."""
        path = "/v1/uploads/{id}"
        return [
            web.post("/v1/uploads", self._create),
            web.post("/v1/uploads/known", self._take_known),
            web.head(path, self._head),
            web.patch(path, self._patch),
            web.get("/v1/media/{id}", self._download, allow_head=False),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        self._note(request, "Upload-Length")
        if self._doors.user_of(request.headers["Authorization"]) is None:
            return problem(ErrorCode.UNAUTHENTICATED, 401)
        number = secrets.token_urlsafe(16)
        length = int(request.headers["Upload-Length"])
        self.uploads[number] = FakeUpload(length, request.headers["Upload-Metadata"])
        headers = TUS | {"Location": f"/v1/uploads/{number}"}
        return web.Response(status=201, headers=headers)

    async def _take_known(self, request: web.Request) -> web.Response:
        """Of the fake's files everybody may see every one."""
        asked = msgspec.json.decode(await request.read(), type=dict[str, Any])
        for one in list(self.uploads.values()):
            if hashlib.sha256(one.data).hexdigest() == asked["sha256"]:
                number = secrets.token_urlsafe(16)
                self.uploads[number] = FakeUpload(one.length, one.metadata, one.data)
                headers = {"Location": f"/v1/uploads/{number}"}
                return web.json_response({"media": number}, status=201, headers=headers)
        return problem(ErrorCode.MEDIA_NOT_FOUND, 404)

    async def _head(self, request: web.Request) -> web.Response:
        self._note(request, "Upload-Offset")
        upload = self.uploads.get(request.match_info["id"])
        if upload is None:
            return web.Response(status=410, headers=TUS)
        return web.Response(headers=TUS | {"Upload-Offset": str(len(upload.data))})

    async def _patch(self, request: web.Request) -> web.Response:
        self._note(request, "Upload-Offset")
        upload = self.uploads.get(request.match_info["id"])
        if upload is None:
            return problem(ErrorCode.UPLOAD_EXPIRED, 410)
        if int(request.headers["Upload-Offset"]) != len(upload.data):
            return problem(ErrorCode.OFFSET_MISMATCH, 409)
        async for chunk in request.content.iter_chunked(PIECE_BYTES):
            taken = self._until_cut(chunk)
            upload.data += taken
            if len(taken) < len(chunk):
                _cut(request)
        return web.Response(status=204, headers=TUS | {"Upload-Offset": str(len(upload.data))})

    def _until_cut(self, chunk: bytes) -> bytes:
        """What still comes through before the link is cut."""
        cut = self.faults.upload_cut_bytes
        if not cut or self._since_cut + len(chunk) <= cut:
            self._since_cut += len(chunk)
            return chunk
        taken, self._since_cut = chunk[: max(0, cut - self._since_cut)], 0
        return taken

    async def _download(self, request: web.Request) -> web.StreamResponse:
        self._note(request, "Range")
        if self.links_over:
            self.links_over -= 1
            return problem(ErrorCode.LINK_EXPIRED, 410)
        number = request.match_info["id"]
        data = bytes(self.uploads[number].data)
        wanted = request.http_range
        part = data[wanted] if wanted.start is not None else data
        headers = {"ETag": f'"{number}"'}
        if wanted.start is not None:
            last = wanted.start + len(part) - 1
            headers["Content-Range"] = f"bytes {wanted.start}-{last}/{len(data)}"
        answer = web.StreamResponse(status=206 if "Range" in request.headers else 200)
        answer.headers.update(headers)
        answer.content_length = len(part)
        await answer.prepare(request)
        cut = self.faults.download_cut_bytes
        await answer.write(part[:cut] if cut else part)
        if cut and cut < len(part):
            _cut(request)
        await answer.write_eof()
        return answer

    def _note(self, request: web.Request, header: str) -> None:
        self.requests.append(f"{request.method} {request.headers.get(header, '')}".strip())


def _cut(request: web.Request) -> None:
    """Break off without a word, after what was written had a moment to leave."""
    if request.transport is not None:
        request.transport.close()
    raise ConnectionResetError
