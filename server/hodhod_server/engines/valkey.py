"""The embedded Valkey: a real one, on a unix socket, in memory only.

It keeps nothing on disk, because it holds nothing that may not be lost.
"""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Final

from hodhod_server.engines import children
from hodhod_server.engines.children import Command, StartFailed
from hodhod_server.engines.places import Place, appended

START_TIMEOUT_S: Final = 10.0
SOCKET_NAME: Final = "valkey.sock"
_POLL_S: Final = 0.01
_ANSWER_S: Final = 1.0


class Valkey:
    """One Valkey server."""

    name = "valkey"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._socket = place.sockets / SOCKET_NAME
        self._log = place.data_dir / "valkey.log"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when it answers. Raises `StartFailed`."""
        options = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        options += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        options += ["--dir", str(self._socket.parent), "--loglevel", "warning"]
        with appended(self._log) as log:
            self._process = await children.start(
                Command(
                    argv=[str(self._place.programs.valkey_server), *options],
                    account=self._place.account,
                    output=log,
                    errors=log,
                    signal_at_our_death=signal.SIGTERM,
                )
            )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while await _ask(self._socket, b"PING\r\n") != b"+PONG\r\n":
                    if self._process.returncode is not None:
                        raise StartFailed(f"Valkey did not start: see {self._log}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.stop()
            raise StartFailed(f"Valkey did not answer in time: see {self._log}") from None

    async def wait(self) -> int:
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """It has nothing to save, so it is quick."""
        if self._process is not None:
            await children.stop(self._process, ((signal.SIGTERM, 0.5),))


async def end_left_behind(sockets: Path) -> None:
    """End a server whose supervisor was killed, if it still answers on its socket."""
    await _ask(sockets / SOCKET_NAME, b"SHUTDOWN NOSAVE\r\n")


async def _ask(socket: Path, command: bytes) -> bytes:
    """One line of answer; empty where nobody answers."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(command)
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
