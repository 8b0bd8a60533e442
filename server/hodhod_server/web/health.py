"""`/live`, `/ready` and `/metrics` of every role.

Live: the event loop runs. Ready: what the role cannot work without answers. A store that may be
lost (Redis) does not make a role unready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

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
    return web.Response(body=await _exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Alone(Collector):
    """One family of metrics, to be written by itself."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


async def _exposition() -> bytes:
    """All metrics, family by family: written at once they hold the loop for ten milliseconds and
    more, which whoever waits for a message meanwhile would feel at every scrape."""
    pieces = []
    for family in REGISTRY.collect():
        pieces.append(generate_latest(_Alone(family)))
        await asyncio.sleep(0)
    return b"".join(pieces)
