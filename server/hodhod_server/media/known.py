"""`POST /v1/uploads/known`: is this file here already, for me?"""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from hodhod_server.media import metadata
from hodhod_server.services.known_files import Content, KnownFiles, NewName
from hodhod_server.web import bodies
from hodhod_server.web.callers import caller
from hodhod_wire.limits import ID_MAX

UPLOADS = "/v1/uploads"
PATH = f"{UPLOADS}/known"


class KnownFile(msgspec.Struct, frozen=True, kw_only=True):
    """The content, and what it is called this time."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="Of the whole file.")]
    length: Annotated[int, msgspec.Meta(ge=0, le=ID_MAX)]
    name: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    content_type: Annotated[str, msgspec.Meta(max_length=200)] = ""


class TakenFile(msgspec.Struct, frozen=True):
    """A finished upload of the caller's."""

    media: str


class Known:
    """The handler."""

    def __init__(self, known_files: KnownFiles) -> None:
        self._known_files = known_files

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.post(PATH, self.take)]

    async def take(self, request: web.Request) -> web.Response:
        """201 with a new upload, or 404 as for a file that nobody has."""
        user = caller(request).user
        asked = await bodies.read(request, KnownFile)
        description = metadata.described(asked.name, asked.content_type)
        upload = await self._known_files.take(
            user,
            Content(sha256=bytes.fromhex(asked.sha256), length_bytes=asked.length),
            NewName(name=description.name, content_type=description.content_type),
        )
        return bodies.answer(
            TakenFile(upload.media_id), status=201, location=f"{UPLOADS}/{upload.media_id}"
        )
