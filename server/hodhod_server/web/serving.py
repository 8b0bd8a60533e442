"""An application on its sockets, for the life of a block."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from hodhod_server.settings import ListenSettings
from hodhod_server.web.bodies import BODY_BYTES_MAX
from hodhod_server.web.problems import errors_to_problems

CLOSE_S = 3.0  # how long a stopping process waits for requests in work


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
    try:
        await web.TCPSite(runner, listen.host, listen.port).start()
        if listen.shared_port:
            await web.TCPSite(runner, listen.host, listen.shared_port, reuse_port=True).start()
        yield
    finally:
        await runner.cleanup()
