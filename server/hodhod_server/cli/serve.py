"""`hodhod serve`: one role in this process, as production runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from dataclasses import replace
from typing import Final

import click
import uvloop

from hodhod_server import app, settings
from hodhod_server.app import Role
from hodhod_server.engines import StartFailed
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.supervisor import TOGETHER
from hodhod_server.telemetry import logs

_LEAVE_S: Final = 5.0


@click.command()
@click.option(
    "--role",
    type=click.Choice([*(role.value for role in Role), TOGETHER]),
    required=True,
    help="What to serve.",
)
@click.option("--host", help="Address to listen on; otherwise the setting listen.host.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port; otherwise the setting listen.port."
)
@click.option("--until-stdin-ends", is_flag=True, hidden=True)
def serve(role: str, host: str | None, port: int | None, until_stdin_ends: bool) -> None:
    """Serve one role, or all in one process, until SIGTERM.

    Needs PostgreSQL with `hodhod migrate up` done, Redis or Valkey, and the master key. With
    `--role all` sign-up and media take the ports public.signup_port and public.media_port, and the
    worker the third after the gateway's.

    \b
    Examples:
      export HODHOD__DATABASE__URL=postgresql://hodhod@db/hodhod
      export HODHOD__REDIS__URL=redis://cache/0
      export HODHOD__SECURITY__MASTER_KEY=file:/run/secrets/hodhod
      hodhod serve --role gateway --host 0.0.0.0
      hodhod serve --role all
    """
    loaded = settings.load()
    if host is not None:
        loaded = _with(loaded, replace(loaded.listen, host=host))
    if port is not None:
        loaded = _with(loaded, replace(loaded.listen, port=port))
    _require_complete(loaded)
    logs.configure(role, loaded.log.level)
    if until_stdin_ends:
        threading.Thread(target=_leave_when_stdin_ends, daemon=True).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.run_all(_by_role(loaded) if role == TOGETHER else {Role(role): loaded}))


def _with(loaded: Settings, listen: ListenSettings) -> Settings:
    return loaded.model_copy(update={"listen": listen})


def _by_role(loaded: Settings) -> dict[Role, Settings]:
    """Each role on a port of its own; the shared one is the gateways'."""
    ports = {
        Role.SIGNUP: loaded.public.signup_port,
        Role.MEDIA: loaded.public.media_port,
        Role.WORKER: loaded.listen.port + 3,
    }
    others = {
        role: _with(loaded, replace(loaded.listen, port=port, shared_port=0))
        for role, port in ports.items()
    }
    return {Role.GATEWAY: loaded, **others}


def _require_complete(loaded: Settings) -> None:
    """Raises `StartFailed` for what has no default that could work."""
    needed = {
        "database.url": (loaded.database.url, "HODHOD__DATABASE__URL=postgresql://user@host/name"),
        "redis.url": (loaded.redis.url, "HODHOD__REDIS__URL=redis://host/0"),
    }
    for name, (value, example) in needed.items():
        if not value:
            raise StartFailed(
                f"{name} is not set: set {example}, or use `hodhod up`, which brings its own"
            )
    try:
        app.keys_of(loaded)
    except ValueError as error:
        raise StartFailed(
            f"security.master_key: {error}; set HODHOD__SECURITY__MASTER_KEY=file:/path"
        ) from None


def _leave_when_stdin_ends() -> None:
    """The supervisor holds the other end of stdin: when it is gone, nobody would stop us.

    A thread, so that even a process whose loop is stuck leaves.
    """
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LEAVE_S)
    os._exit(1)
