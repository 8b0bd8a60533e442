"""Where the handlers of this edge find the services."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_server.services.inside import Inside

INSIDE: Final = web.AppKey("INSIDE", Inside)
