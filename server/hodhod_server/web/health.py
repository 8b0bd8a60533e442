"""`/live`, `/ready` and `/metrics` of every role.

Live: the event loop runs. Ready: what the role cannot work without answers. A store that may be
lost (Redis) does not make a role unready.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Probe = Callable[[], Awaitable[bool]]


class _Holder:
    __slots__ = ("probe",)

    def __init__(self, probe: Probe) -> None:
        self.probe = probe


_PROBE: Final = web.AppKey("PROBE", _Holder)


def add_health(app: web.Application, probe: Probe) -> None:
    """Serve the three; `probe` tells whether the role can do its work."""
    app[_PROBE] = _Holder(probe)
    app.add_routes(
        [web.get("/live", _live), web.get("/ready", _ready), web.get("/metrics", _metrics)]
    )


async def _live(request: web.Request) -> web.Response:
    return web.json_response({"live": True})


async def _ready(request: web.Request) -> web.Response:
    is_ready = await request.app[_PROBE].probe()
    return web.json_response({"ready": is_ready}, status=200 if is_ready else 503)


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
