"""The embedded PostgreSQL and Valkey of `hodhod up` and of the tests: real engines from wheels.

Production passes addresses of its own engines and never comes here. `wheels.py` alone knows the
wheels. Engines die with us, and are started again when they die alone.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hodhod_server.engines import places
from hodhod_server.engines.accounts import Account, engine_account
from hodhod_server.engines.children import Child, StartFailed, keep_alive
from hodhod_server.engines.places import Place, discard
from hodhod_server.engines.postgres import Postgres
from hodhod_server.engines.valkey import Valkey, end_left_behind
from hodhod_server.engines.wheels import Programs, find_programs

__all__ = ["Engines", "StartFailed", "discard", "open_engines"]


class Engines:
    """Both engines, running."""

    def __init__(self, postgres: Postgres, valkey: Valkey) -> None:
        self._postgres = postgres
        self._valkey = valkey

    @property
    def database_url(self) -> str:
        return self._postgres.url

    @property
    def redis_url(self) -> str:
        return self._valkey.url

    def pids(self) -> dict[str, int]:
        """Engine → process, as of now: a restart changes it."""
        return {engine.name: engine.pid for engine in self._all()}

    async def run(self, changed: Callable[[], None] = lambda: None) -> None:
        """Start an engine that dies again, for ever; `changed` is called after each restart."""
        dice = random.Random()
        async with asyncio.TaskGroup() as tasks:
            for engine in self._all():
                tasks.create_task(keep_alive(engine, changed, dice), name=engine.name)

    def _all(self) -> tuple[Child, ...]:
        return (self._postgres, self._valkey)


@asynccontextmanager
async def open_engines(data_dir: Path, connections_max: int = 200) -> AsyncIterator[Engines]:
    """Both engines on a data dir while the block runs, stopped cleanly after it.

    Raises `StartFailed`: wheels missing, data dir in use, an engine that does not start.
    """
    data_dir = await asyncio.to_thread(data_dir.resolve)
    with places.locked(data_dir):
        await _clear_after_crash(data_dir)
        account, programs, home = await asyncio.to_thread(_prepare, data_dir)
        with places.sockets_dir(data_dir, account) as sockets:
            place = Place(data_dir=data_dir, sockets=sockets, programs=programs, account=account)
            postgres, valkey = Postgres(place, home, connections_max), Valkey(place)
            try:
                await postgres.start()
                await valkey.start()
                yield Engines(postgres, valkey)
            finally:
                await valkey.stop()
                await postgres.stop()


def _prepare(data_dir: Path) -> tuple[Account | None, Programs, Path]:
    account = engine_account(places.owner_uid(data_dir))
    programs = find_programs(account)
    return account, programs, places.postgres_home(data_dir, account)


async def _clear_after_crash(data_dir: Path) -> None:
    if left := places.find_sockets_left_behind(data_dir):
        await end_left_behind(left)
        shutil.rmtree(left, ignore_errors=True)
