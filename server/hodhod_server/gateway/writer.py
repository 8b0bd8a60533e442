"""The send queue of one connection: bounded in bytes and in time.

Nobody else ever waits for a slow client: a queue that is full, or whose head has waited too long,
ends the connection with a close code after which the client resumes where it was. Only what the
client itself asked for, a page of its log, waits until there is room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

QUEUE_S_MAX: Final = 20.0  # a mobile link that stalls for longer is reconnecting anyway


class Transport(Protocol):
    """A connection that exists already: the gateway's classes take one, they do not open one."""

    async def receive(self) -> bytes | None:
        """The next message; `None` when the connection is over. Raises `InvalidFrame`."""
        ...

    async def send(self, frame: bytes) -> None:
        """Hand a message to the network, waiting while its buffer is full."""
        ...

    async def close(self, code: int) -> None:
        """Say goodbye, with a code, and wait shortly for the answer."""
        ...

    def abort(self) -> None:
        """Cut the connection."""


class Writer:
    """Frames on their way to one client, in order."""

    def __init__(self, transport: Transport, bytes_max: int) -> None:
        self._transport = transport
        self._bytes_max = bytes_max
        self._queue: deque[tuple[bytes, int]] = deque()  # a frame, and what of it counts as pushed
        self._queued_bytes = 0
        self._pushed_bytes = 0
        self._is_closed = False
        self._filled = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._clock = asyncio.get_running_loop().time
        self._head_since = 0.0

    def enqueue(self, frame: bytes) -> bool:
        """Queue a frame. False: the client does not keep up, the frame is dropped."""
        if self._pushed_bytes + len(frame) > self._bytes_max or self._is_stuck():
            return False
        self._pushed_bytes += len(frame)
        self._append(frame, len(frame))
        return True

    def enqueue_page(self, frame: bytes) -> None:
        """Queue a page that was asked for, however large: `room` was awaited before it was read.

        It leaves the room for pushes as it is: asking for a page makes nobody slow.
        """
        self._append(frame, 0)

    async def room(self) -> bool:
        """Wait until less than half of the queue is taken. False: the connection is over."""
        await self._roomy.wait()
        return not self._is_closed

    def close(self) -> None:
        """The connection is over: nobody waits for room any more."""
        self._is_closed = True
        self._roomy.set()

    async def run(self) -> None:
        """Send what is queued, until cancelled or the connection breaks."""
        while True:
            await self._filled.wait()
            while self._queue:
                frame, pushed_bytes = self._queue.popleft()
                self._head_since = self._clock()
                await self._transport.send(frame)
                self._queued_bytes -= len(frame)
                self._pushed_bytes -= pushed_bytes
                if self._queued_bytes <= self._bytes_max // 2:
                    self._roomy.set()
            self._filled.clear()

    async def drain(self) -> None:
        """Send what is left; for the end of a connection."""
        while self._queue:
            await self._transport.send(self._queue.popleft()[0])

    def _append(self, frame: bytes, pushed_bytes: int) -> None:
        if not self._queue:
            self._head_since = self._clock()
        self._queue.append((frame, pushed_bytes))
        self._queued_bytes += len(frame)
        self._filled.set()
        if self._queued_bytes > self._bytes_max // 2 and not self._is_closed:
            self._roomy.clear()

    def _is_stuck(self) -> bool:
        return bool(self._queue) and self._clock() - self._head_since > QUEUE_S_MAX
