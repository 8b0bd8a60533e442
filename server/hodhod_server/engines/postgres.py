"""The embedded PostgreSQL: a real one, on a unix socket that only its folder's owner enters.

fsync and synchronous_commit stay at PostgreSQL's default, on: what is committed survives. Its log
has no statements and no details, because those hold what people wrote.

Always true: the data folder is complete or absent (it is made under another name and renamed), and
one server at most runs on it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Final

from hodhod_server.engines import children
from hodhod_server.engines.children import Command, StartFailed
from hodhod_server.engines.places import Place, appended

DATABASE: Final = "hodhod"
START_TIMEOUT_S: Final = 60.0  # replaying the log after a crash takes a while
RETRY_S: Final = 10.0  # how long the remains of a killed server may hold its memory
_POLL_S: Final = 0.01
_FAST: Final = (signal.SIGINT, 4.0)
_IMMEDIATE: Final = (signal.SIGQUIT, 1.0)
_REMAINS: Final = ("shared memory block", "lock file")
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Above ERROR: those reach the server as exceptions and are told there, without the data.
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


class Postgres:
    """One PostgreSQL server."""

    name = "postgres"

    def __init__(self, place: Place, home: Path, connections_max: int) -> None:
        self._place = place
        self._data = home / "data"
        self._log = place.data_dir / "postgres.log"
        self._settings = {**_SETTINGS, "max_connections": str(connections_max)}
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{DATABASE}@/{DATABASE}?host={self._place.sockets}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when it answers. Raises `StartFailed`."""
        await self._end_previous()
        if not (self._data / "PG_VERSION").exists():
            await self._initialise()
        retry_until = asyncio.get_running_loop().time() + RETRY_S
        while (complaint := await self._try_start()) is not None:
            is_passing = any(sign in complaint for sign in _REMAINS)
            if not is_passing or asyncio.get_running_loop().time() > retry_until:
                raise StartFailed(f"PostgreSQL did not start: {complaint} (see {self._log})")
            await asyncio.sleep(10 * _POLL_S)

    async def wait(self) -> int:
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """Fast, then at once: either way nothing committed is lost."""
        if self._process is not None:
            await children.stop(self._process, (_FAST, _IMMEDIATE))

    async def _try_start(self) -> str | None:
        """None when it answers, otherwise its last words."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        argv = [str(self._place.programs.postgres), "-D", str(self._data)]
        argv += ["-k", str(self._place.sockets)]
        with appended(self._log) as log:
            log_start = log.tell()
            self._process = await children.start(
                Command(
                    argv=argv + settings,
                    account=self._place.account,
                    output=log,
                    errors=log,
                    signal_at_our_death=signal.SIGINT,
                )
            )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while self._process.returncode is None:
                    if self._is_ready():
                        return None
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.stop()
            return f"no answer within {START_TIMEOUT_S:.0f} s"
        await self._process.wait()
        return self._last_words(log_start)

    def _pid_file(self) -> list[str]:
        """Lines of `postmaster.pid`: the first is the pid, the eighth the state."""
        try:
            return (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _is_ready(self) -> bool:
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _last_words(self, log_start: int) -> str:
        with self._log.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()
        fatal = [line.partition("FATAL: ")[2].strip() for line in lines if "FATAL: " in line]
        return (fatal or lines or ["it ended without a word"])[-1]

    async def _initialise(self) -> None:
        draft = self._data.with_name("data.new")
        if draft.exists():
            await asyncio.to_thread(shutil.rmtree, draft)
        options = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        options += ["--builtin-locale=C.UTF-8", f"--username={DATABASE}", "--auth=trust"]
        await self._run([str(self._place.programs.initdb), "-D", str(draft), *options])
        single = [str(self._place.programs.postgres), "--single", "-D", str(draft), "postgres"]
        await self._run(single, f"CREATE DATABASE {DATABASE}\n".encode())
        draft.rename(self._data)
        _sync(self._data.parent)

    async def _run(self, argv: list[str], stdin: bytes = b"") -> None:
        with appended(self._log) as log:
            process = await children.start(
                Command(
                    argv=argv,
                    account=self._place.account,
                    stdin=PIPE,
                    output=log,
                    errors=log,
                    signal_at_our_death=signal.SIGKILL,
                )
            )
            try:
                await process.communicate(stdin)
            finally:
                await children.stop(process, ((signal.SIGTERM, 2.0),))
        if process.returncode != 0:
            raise StartFailed(f"{Path(argv[0]).name} failed: see {self._log}")

    async def _end_previous(self) -> None:
        """A server whose supervisor was killed may still be leaving: help it."""
        lines = self._pid_file()
        pid = int(lines[0]) if lines and lines[0].isdecimal() else 0
        if not pid or not _is_alive(pid):
            return
        if not self._is_ours(pid):  # the number went to another process since
            (self._data / "postmaster.pid").unlink()
            return
        for number, patience_s in (_FAST, _IMMEDIATE, (signal.SIGKILL, 2.0)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            for _ in range(int(patience_s / _POLL_S)):
                if not self._is_ours(pid):
                    return
                await asyncio.sleep(_POLL_S)
        raise StartFailed(f"a PostgreSQL with pid {pid} runs on {self._data} and does not end")

    def _is_ours(self, pid: int) -> bool:
        """Is it a server of this data folder, which is where it works?"""
        if Path("/proc/self").exists():
            with suppress(OSError):
                return Path(f"/proc/{pid}/cwd").readlink() == self._data
            return False
        ask = ["ps", "-o", "command=", "-p", str(pid)]
        return str(self._data) in subprocess.run(ask, capture_output=True, text=True).stdout


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
