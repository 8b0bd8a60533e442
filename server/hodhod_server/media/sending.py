"""Sends files by `sendfile`: the kernel copies, threads wait for disks, the event loop for readers.

uvloop has no `sendfile`, and asyncio's reads the disk on the loop. So the socket and the file are
duplicated, a thread sends until the reader's window is full, and the loop waits until it is not.

Always true: whoever leaves, duplicates are closed after the last thread that uses them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

THREADS: Final = 8
BURST_BYTES: Final = 16 * 1024 * 1024  # after so much, others get the thread
FEW: Final = THREADS // 2  # readers that may each keep a thread for a moment
LINGER_MS: Final = 5  # a fast reader has room again by then: measured, a fifth faster
EMPTY_S: Final = 0.001


class Sender:
    """The threads that send. Made by `open_sender`."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._sending = 0

    async def send(
        self, transport: asyncio.Transport, descriptor: int, start: int, stop: int
    ) -> AsyncGenerator[int, None]:
        """The bytes of a file from `start` up to `stop`, after what the transport still holds.

        Yields how many went each time; ends early where the file does. Raises `ConnectionError`
        and the `OSError` of the file. Whoever waits for the reader bounds the wait.
        """
        await _emptied(transport)
        ends = os.dup(transport.get_extra_info("socket").fileno()), os.dup(descriptor)
        job: asyncio.Future[int] | None = None
        self._sending += 1
        try:
            while start < stop:
                linger_ms = LINGER_MS if self._sending <= FEW else 0
                send = partial(_send, *ends, start, min(stop, start + BURST_BYTES), linger_ms)
                job = asyncio.get_running_loop().run_in_executor(self._executor, send)
                sent = await asyncio.shield(job)
                if sent < 0:
                    return
                start += sent
                yield sent
                if transport.is_closing():
                    raise ConnectionResetError("the reader left")
                if start < stop and sent < BURST_BYTES:
                    await _writable(ends[0])
        finally:
            self._sending -= 1
            if job is None or job.done():
                _close(ends)
            else:
                job.add_done_callback(partial(_close_after, ends))


@contextlib.asynccontextmanager
async def open_sender() -> AsyncIterator[Sender]:
    """Threads for the life of the block."""
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="sending")
    try:
        yield Sender(executor)
    finally:
        await asyncio.to_thread(executor.shutdown)


def is_sendable(transport: asyncio.Transport | None) -> bool:
    """Bytes reach the socket as they are: there is one, and no TLS in between."""
    if transport is None or transport.get_extra_info("socket") is None:
        return False
    return transport.get_extra_info("sslcontext") is None


async def _emptied(transport: asyncio.Transport) -> None:
    while transport.get_write_buffer_size():
        if transport.is_closing():
            raise ConnectionResetError("the reader left")
        await asyncio.sleep(EMPTY_S)


async def _writable(socket: int) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_writer(socket, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_writer(socket)


def _send(socket: int, file: int, start: int, stop: int, linger_ms: int) -> int:
    """In a thread: as much as the reader takes. How much that was; -1 where the file has ended."""
    position = start
    while position < stop:
        try:
            sent = os.sendfile(socket, file, position, stop - position)
        except BlockingIOError:
            if not linger_ms or not _has_room(socket, linger_ms):
                break
            continue
        except ConnectionError:
            raise ConnectionResetError("the reader left") from None
        if not sent:
            return position - start or -1
        position += sent
    return position - start


def _has_room(socket: int, wait_ms: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLOUT)
    return bool(poll.poll(wait_ms))


def _close_after(ends: tuple[int, int], job: asyncio.Future[int]) -> None:
    job.exception()  # nobody is there to be told
    _close(ends)


def _close(ends: tuple[int, int]) -> None:
    for end in ends:
        os.close(end)
