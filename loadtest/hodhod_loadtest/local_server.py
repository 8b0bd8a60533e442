"""A private server for one run: `hodhod up` in a folder of its own, gone at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READY_S: Final = 120.0
STOP_S: Final = 15.0
FIRST_PORT: Final = 30_400  # above those that `hodhod up --port 0` chooses from
LAST_PORT: Final = 32_767  # below those that systems take for outgoing connections
GUARD_PORT: Final = 9  # of a block: the roles take the first four, others those from the tenth on
PORTS_OF_A_SERVER: Final = 20 + (os.cpu_count() or 1)
# A crowd from one machine, whose numbers follow one another, looks like the flood it is not.
OPEN_DOOR: Final = {
    f"HODHOD__DOOR__{limit}": "1000000"
    for limit in ("UNPROVEN_MAX", "NEIGHBOURHOOD_SOFT", "BLOCK_SOFT", "BLOCK_HARD", "BARREN_SENT")
}


class ServerFailed(Exception):
    """The server did not come up; the text is the end of what it said."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running server."""

    url: str
    port: int
    data_dir: Path
    log: Path


@contextlib.contextmanager
def port_block() -> Iterator[int]:
    """A base port; it and those after it are ours while the block runs. Raises `ServerFailed`.

    A server takes seconds to open its ports, and its gateways share one with whoever asks: two
    servers on one block would answer for each other. So we listen on the one port of the block
    that a server leaves alone, and whoever looks for a block begins with that one.
    """
    size = PORTS_OF_A_SERVER
    for base in range(FIRST_PORT, LAST_PORT - size, size):
        with contextlib.ExitStack() as held, contextlib.ExitStack() as probes:
            try:
                _listen(held, base + GUARD_PORT)
                for port in {*range(base, base + size)} - {base + GUARD_PORT}:
                    _listen(probes, port)
            except OSError:
                continue
            probes.close()
            yield base
            return
    raise ServerFailed("no free block of ports on this machine")


def _listen(stack: contextlib.ExitStack, port: int) -> None:
    """Raises `OSError` where somebody else does."""
    own = stack.enter_context(socket.socket())
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the remains of connections pass
    own.bind(("127.0.0.1", port))
    own.listen()


@contextlib.asynccontextmanager
async def local_server(
    settings: Mapping[str, str] | None = None,
    port: int | None = None,
    *,
    arguments: Sequence[str] = (),
) -> AsyncIterator[LocalServer]:
    """Start `hodhod up` with extra settings (`HODHOD__…`) and arguments, on a block of ports of its
    own unless its caller holds one that begins at `port`. Raises `ServerFailed`.
    """
    with contextlib.ExitStack() as stack:
        root = _new_root()
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        base = stack.enter_context(port_block()) if port is None else port
        async with _running(root, ("--port", str(base), *arguments), settings or {}) as url:
            yield LocalServer(url, base, root / "data", root / "server.log")


@contextlib.asynccontextmanager
async def _running(
    root: Path, arguments: Sequence[str], settings: Mapping[str, str]
) -> AsyncIterator[str]:
    log = root / "server.log"
    with log.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hodhod_server", "up",
            "--data-dir", str(root / "data"), *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            env={**_ours(), **settings},
        )  # fmt: skip
    try:
        yield await _ready_url(process, log)
    finally:
        await _stop(process)


def _ours() -> dict[str, str]:
    """Our environment, but with bytecode kept: without, each process compiles for a second or two
    what a server in production has compiled long ago, most of all one that was killed.
    """
    return {name: told for name, told in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _new_root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="hodhod-run-"))
    root.chmod(0o755)  # the engines run as another user where we are root
    return root


async def _ready_url(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            while line := (await process.stdout.readline()).decode():
                word, _, url = line.strip().partition(" ")
                if word == "ready":
                    return url
    except TimeoutError:
        pass
    tail = (await asyncio.to_thread(log.read_text)).splitlines()[-5:]
    raise ServerFailed("\n".join(["the server did not come up:", *tail]))


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
