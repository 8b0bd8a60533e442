"""The gate in front of HTTP: a refused request costs its headers and nothing more.

No body has been read, no token checked and no database asked when the answer is 503 with
`Retry-After`. What has no place in line (the description of the server, health, metrics, a wrong
path) always passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from hodhod_server.domain.load import Work
from hodhod_server.services.admission import Admission, Gate
from hodhod_server.web.endpoints import Endpoint
from hodhod_server.web.problems import Handler

TAKES_TURNS: Final = (Work.SYNC, Work.OTHER)
WITHOUT_BODY: Final = ("GET", "HEAD", "DELETE")


def use_gate(
    app: web.Application, gate: Gate, endpoints: Iterable[Endpoint], **others: Handler
) -> None:
    """Let requests for these endpoints in as the gate says; `others` are handlers by their work."""
    works = {endpoint.handler: endpoint.work for endpoint in endpoints}
    works |= {handler: Work(name) for name, handler in others.items()}

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        work = works.get(request.match_info.handler)
        if work is None:
            return await handler(request)
        gate.admit(work)
        if isinstance(gate, Admission) and work is Work.CONNECT:
            await gate.wait_for_turn()
        # A body comes as slowly as its client likes: no place is held meanwhile.
        if isinstance(gate, Admission) and work in TAKES_TURNS and request.method in WITHOUT_BODY:
            async with gate.turn(work):
                return await handler(request)
        return await handler(request)

    app.middlewares.append(admit)
