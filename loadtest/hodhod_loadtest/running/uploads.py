"""People who send files: each upload is announced and then sent at a phone's speed (tus 1.0)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urljoin

import aiohttp

from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.casting import Uploading

PIECE_BYTES: Final = 64 * 1024
CREATED: Final = 201
DONE: Final = 204


class Uploads:
    """A crowd of uploaders; each of their files is as large, and none like another."""

    def __init__(self, uploading: Uploading) -> None:
        self._uploading = uploading
        self._tokens = itertools.cycle(uploading.tokens)
        self._recorder: Recorder | None = None
        self._http: aiohttp.ClientSession | None = None
        self._tasks: asyncio.TaskGroup | None = None

    @contextlib.asynccontextmanager
    async def open(self, recorder: Recorder) -> AsyncIterator[None]:
        """While the block runs uploads may begin; it ends with the last of them."""
        self._recorder = recorder
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._http,
            asyncio.TaskGroup() as self._tasks,
        ):
            yield

    def act(self, due_s: float) -> None:
        """One more file."""
        assert self._tasks is not None
        self._tasks.create_task(self._upload(next(self._tokens), due_s))

    async def _upload(self, token: str, due_s: float) -> None:
        assert self._http is not None
        assert self._recorder is not None
        self._recorder.count("uploads.begun")
        try:
            status = await self._send(self._http, token)
        except (aiohttp.ClientError, OSError, TimeoutError):
            status = 0
        if status == DONE:
            self._recorder.count("uploads.done")
            self._recorder.note("upload", due_s, time.monotonic())
        else:
            self._recorder.count("uploads.failed")
            self._recorder.count(f"error.upload.{status}")

    async def _send(self, http: aiohttp.ClientSession, token: str) -> int:
        tus = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
        base, size = self._uploading.media_url, self._uploading.bytes_each
        announced = {**tus, "Upload-Length": str(size)}
        async with http.post(f"{base}/v1/uploads", headers=announced) as answer:
            if answer.status != CREATED:
                return answer.status
            place = urljoin(str(answer.url), answer.headers["Location"])
        part = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        async with http.patch(place, headers=tus | part, data=self._pieces(size)) as answer:
            return answer.status

    async def _pieces(self, size: int) -> AsyncIterator[bytes]:
        began_s, sent = time.monotonic(), 0
        head = random.randbytes(16)  # no two files are alike: those that are known are not sent
        while sent < size:
            piece = (head * (PIECE_BYTES // len(head)))[: size - sent]
            yield piece
            sent += len(piece)
            left_s = began_s + sent / self._uploading.bytes_per_s - time.monotonic()
            await asyncio.sleep(max(0.0, left_s))
