"""Which handler a path means: a tree of segments, where `*` stands for any one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hodhod_loadtest.http.server import Handler, Reply, Request

ANY: Final = "*"
NOT_FOUND: Final = Reply(404, b"{}")
NOT_ALLOWED: Final = Reply(405, b"{}")


class Route(NamedTuple):
    """A method, or `*`, and the segments of a path."""

    method: str
    path: str
    handler: Handler


@dataclass(slots=True)
class _Node:
    below: dict[str, _Node] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)


class Routes:
    """All routes of a server, as its handler."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.strip("/").split("/"):
                node = node.below.setdefault(segment, _Node())
            node.handlers[route.method] = route.handler

    def __call__(self, request: Request) -> Reply | asyncio.Future[Reply]:
        node = self._root
        for segment in request.path.strip("/").split("/"):
            below = node.below.get(segment) or node.below.get(ANY)
            if below is None:
                return NOT_FOUND
            node = below
        handler = node.handlers.get(request.method) or node.handlers.get(ANY)
        return NOT_ALLOWED if handler is None else handler(request)
