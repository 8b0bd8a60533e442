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
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READY_S: Final = 120.0
STOP_S: Final = 15.0
PORTS_OF_A_SERVER: Final = 20
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


def free_port_block() -> int:
    """A base port such that it and the ports after it were free just now.

    Each process begins elsewhere: a server takes seconds to open its ports, and others start too.
    """
    blocks = list(range(20_000, 32_000, 2 * PORTS_OF_A_SERVER))
    first = os.getpid() % len(blocks)
    for base in blocks[first:] + blocks[:first]:
        try:
            with contextlib.ExitStack() as stack:
                for port in range(base, base + PORTS_OF_A_SERVER):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise ServerFailed("no free block of ports on this machine")


@contextlib.asynccontextmanager
async def local_server(
    port: int, settings: Mapping[str, str] | None = None
) -> AsyncIterator[LocalServer]:
    """Start `hodhod up` on `port` with extra settings (`HODHOD__…`). Raises `ServerFailed`."""
    root = _new_root()
    log = root / "server.log"
    with log.open("wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hodhod_server", "up",
            "--data-dir", str(root / "data"), "--port", str(port),
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            env={**os.environ, **(settings or {})},
        )  # fmt: skip
    try:
        url = await _ready_url(process, log)
        yield LocalServer(url, port, root / "data", log)
    finally:
        await _stop(process)
        shutil.rmtree(root, ignore_errors=True)


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
