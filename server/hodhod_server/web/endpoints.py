"""An endpoint declared once: where it is, what it takes, what it gives, who handles it.

Edges serve their endpoints from these declarations, and the OpenAPI document is generated from the
same, so neither can forget one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from hodhod_server.domain.load import Work
from hodhod_server.web.problems import Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path, as clients see it. `takes` and `gives` are shapes of JSON bodies."""

    method: str
    path: str
    summary: str
    takes: type[msgspec.Struct] | None = None
    gives: type[msgspec.Struct] | None = None
    status: int = 200
    may_wait: type[msgspec.Struct] | None = None
    """The body of a 202, where the answer may be to come back later."""
    is_public: bool = False
    query: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Operation):
    """An operation, who handles it, and its place in line."""

    handler: Handler
    work: Work | None = Work.OTHER
    """`None`: answered under any load, since it costs no more than a refusal."""


def add_endpoints(app: web.Application, endpoints: Iterable[Endpoint]) -> None:
    """Serve them. A GET also answers HEAD."""
    for endpoint in endpoints:
        if endpoint.method == "GET":
            app.router.add_get(endpoint.path, endpoint.handler)
        else:
            app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
