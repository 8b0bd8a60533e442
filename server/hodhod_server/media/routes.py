"""The edge of files: uploads in, downloads out."""

from __future__ import annotations

from aiohttp import web

from hodhod_server.media import answers
from hodhod_server.media.downloads import Downloads
from hodhod_server.media.known import Known
from hodhod_server.media.tus import Tus


def add_media(app: web.Application, tus: Tus, known: Known, downloads: Downloads) -> None:
    """Serve both on `app`."""
    app.on_response_prepare.append(answers.apply)
    app.on_shutdown.append(tus.interrupt)
    app.add_routes([*known.routes(), *tus.routes(), *downloads.routes()])
