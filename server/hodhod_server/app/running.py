"""Roles in this process: sockets, background loops and signals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from hodhod_server.app.parts import Loop, Parts, Role
from hodhod_server.domain.clock import Clock, SystemClock
from hodhod_server.processing.priority import (
    SHORT_TURN_NS,
    USUAL_TURN_NS,
    give_way,
    set_turn,
)
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.store.database import Database, open_database
from hodhod_server.telemetry import logs
from hodhod_server.web.serving import serve

log = logs.get("app")
COLLECT_AFTER: Final = (50_000, 20, 50)  # a young collection is a millisecond or two
_SHARED: Final = "all"  # what PostgreSQL calls the pool of several roles


class Opening(Protocol):
    """Opens a role, on a pool of its own unless it is handed one to share."""

    def __call__(
        self, settings: Settings, clock: Clock, *, shared: Database | None = None
    ) -> AbstractAsyncContextManager[Parts]: ...


def _opening(module: str, role: Role) -> Opening:
    """Opens a role, which is imported then."""

    def opening(
        settings: Settings, clock: Clock, *, shared: Database | None = None
    ) -> AbstractAsyncContextManager[Parts]:
        opens: Opening = getattr(importlib.import_module(f"hodhod_server.app.{module}"), role)
        return opens(settings, clock, shared=shared)

    return opening


ROLES: Final[dict[Role, Opening]] = {
    Role.GATEWAY: _opening("gateways", Role.GATEWAY),
    Role.SIGNUP: _opening("newcomers", Role.SIGNUP),
    Role.MEDIA: _opening("files", Role.MEDIA),
    Role.WORKER: _opening("files", Role.WORKER),
}


async def run(role: Role, settings: Settings) -> None:
    """Serve one role until SIGTERM or SIGINT."""
    await run_all({role: settings})


async def run_all(settings: Mapping[Role, Settings]) -> None:
    """Serve roles in this process, each on its own sockets, until SIGTERM or SIGINT.

    A loop that dies ends the process, loudly. A process of one role has the rank of that role.
    Several share one pool, as large as that of one: there are no borders between them.
    """
    if len(settings) == 1:
        [(role, own)] = settings.items()
        set_turn(SHORT_TURN_NS if role is Role.GATEWAY else USUAL_TURN_NS)
        give_way(_niceness(own).get(role, 0))
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        shared = None
        if len(settings) > 1:
            database = next(iter(settings.values())).database
            shared = await stack.enter_async_context(open_database(database, _SHARED))
        opened = [
            (
                await stack.enter_async_context(ROLES[role](own, SystemClock(), shared=shared)),
                own.listen,
            )
            for role, own in settings.items()
        ]
        await _serve_until(stopped, opened)
    log.info("process.stopped")


async def _serve_until(
    stopped: asyncio.Event, opened: Sequence[tuple[Parts, ListenSettings]]
) -> None:
    """Every background loop of the process is started here and nowhere else.

    They start before the sockets and stop after them, so that no request meets half a process.
    """
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(_forever(loop)) for parts, _ in opened for loop in parts.loops]
        async with contextlib.AsyncExitStack() as sockets:
            for parts, listen in opened:
                await sockets.enter_async_context(serve(parts.app, listen))
                log.info("process.ready", port=listen.port)
            _spare_the_collector()
            await stopped.wait()
        for loop in loops:
            loop.cancel()


def _niceness(settings: Settings) -> dict[Role, int]:
    return {
        Role.SIGNUP: settings.signup.niceness,
        Role.MEDIA: settings.media.niceness,
        Role.WORKER: settings.worker.niceness,
    }


def _spare_the_collector() -> None:
    """Let the cyclic collector leave what lives as long as the process, and come seldom.

    At its defaults it took a fifth of a busy gateway's CPU: a burst of messages looks to it like
    a leak.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def _forever(loop: Loop) -> None:
    await loop()
