"""Headers that every answer of this edge carries, refusals included.

A handler may return, raise, or be refused before it starts; the headers set here go out with
whatever the answer becomes, so that a browser may read it (CORS) and a tus client recognises it.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

_HEADERS: Final = web.RequestKey("ANSWER_HEADERS", dict[str, str])
PREFLIGHT_S: Final = 86_400


def add(request: web.Request, headers: dict[str, str]) -> None:
    """Put `headers` on the answer to this request."""
    request[_HEADERS] = request.get(_HEADERS, {}) | headers


def end_connection(request: web.Request) -> None:
    """Nothing can follow this request on its connection, and the client is told."""
    add(request, {"Connection": "close"})


async def apply(request: web.Request, response: web.StreamResponse) -> None:
    """An `on_response_prepare` signal of the application."""
    response.headers.update(request.get(_HEADERS, {}))
    if response.headers.get("Connection") == "close":
        response.force_close()


def preflight(*, methods: str, headers: str) -> dict[str, str]:
    """What a browser asks before it sends the real request. Tokens travel in a header and never in
    a cookie, so any site may ask: it has nothing of the user's to ask with.
    """
    return {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": headers,
        "Access-Control-Max-Age": str(PREFLIGHT_S),
    }
