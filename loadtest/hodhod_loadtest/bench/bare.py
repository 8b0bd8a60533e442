"""What aiohttp does by itself: a handler that reads while a thread writes, and a `FileResponse`.

Run as a program with a folder and a port; uploads and downloads are compared with it. It has no
tokens and no database, and survives nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import uvloop
from aiohttp import web

BATCH_BYTES: Final = 1024 * 1024
FOLDER: Final = web.AppKey("FOLDER", Path)
NAME: Final = "bare.bin"
START_S: Final = 20.0


async def upload(request: web.Request) -> web.Response:
    """The body to the file, durable when it is answered."""
    descriptor = os.open(request.app[FOLDER] / NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    loop = asyncio.get_running_loop()
    job: asyncio.Future[int] | None = None
    gathered: list[bytes] = []
    count = 0
    try:
        while chunk := await request.content.readany():
            gathered.append(chunk)
            count += len(chunk)
            if count >= BATCH_BYTES:
                if job is not None:
                    await job
                job = loop.run_in_executor(None, os.writev, descriptor, gathered)
                gathered, count = [], 0
        if job is not None:
            await job
        if gathered:
            await loop.run_in_executor(None, os.writev, descriptor, gathered)
        await loop.run_in_executor(None, os.fdatasync, descriptor)
    finally:
        os.close(descriptor)
    return web.Response(status=204)


async def remove(request: web.Request) -> web.Response:
    """The file of an earlier run."""
    (request.app[FOLDER] / NAME).unlink(missing_ok=True)
    return web.Response(status=204)


async def download(request: web.Request) -> web.FileResponse:
    """The file."""
    return web.FileResponse(request.app[FOLDER] / NAME)


@contextlib.asynccontextmanager
async def running_bare(folder: Path) -> AsyncIterator[str]:
    """The program in a process of its own, for the life of the block; its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(folder), str(port)
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def main(folder: str, port: str) -> None:
    """Serve until ended."""
    app = web.Application(client_max_size=2**40)
    app[FOLDER] = Path(folder)
    app.add_routes(
        [web.put("/file", upload), web.get("/file", download), web.delete("/file", remove)]
    )
    web.run_app(app, host="127.0.0.1", port=int(port), loop=uvloop.new_event_loop(), print=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
