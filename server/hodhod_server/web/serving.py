"""An application on its sockets, for the life of a block."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web

from hodhod_server.settings import ListenSettings
from hodhod_server.web.bodies import BODY_BYTES_MAX
from hodhod_server.web.problems import errors_to_problems

CLOSE_S = 3.0  # how long a stopping process waits for requests in work
# A loop that is 0.2 s late leaves so many connections waiting that a surge makes meanwhile; what
# does not fit is dropped by the kernel, and its client tries again after a second, three, seven.
BACKLOG: Final = 1024
# What the kernel keeps of a client whose connection is paused; it would keep megabytes.
UNREAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Front:
    """Who reads the first bytes of a connection, before aiohttp's server for it does."""

    first: Callable[[web.Server], asyncio.Protocol]


FRONT: Final = web.AppKey("FRONT", Front)


def new_app() -> web.Application:
    """An application with what every edge has: problem documents and a bound on bodies."""
    return web.Application(middlewares=[errors_to_problems], client_max_size=BODY_BYTES_MAX)


@contextlib.asynccontextmanager
async def serve(app: web.Application, listen: ListenSettings) -> AsyncIterator[None]:
    """Accept connections while the block runs. Raises `OSError` where a port is taken.

    The shared port is bound with SO_REUSEPORT: the kernel spreads connections over the processes.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    servers: list[asyncio.Server] = []
    try:
        servers.append(await _listen(runner, app, listen.host, listen.port))
        if listen.shared_port:
            shared = _listen(runner, app, listen.host, listen.shared_port, is_shared=True)
            servers.append(await shared)
        yield
    finally:
        for server in servers:
            server.close()
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, app: web.Application, host: str, port: int, *, is_shared: bool = False
) -> asyncio.Server:
    assert runner.server is not None
    front = app.get(FRONT)
    server = await asyncio.get_running_loop().create_server(
        runner.server if front is None else partial(front.first, runner.server),
        host,
        port,
        backlog=BACKLOG,
        reuse_port=is_shared or None,
    )
    if front is not None:
        for own in server.sockets:  # who is accepted inherits it
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
    return server
