"""Bodies of requests, piece by piece; large ones straight from the socket.

aiohttp's parser copies what comes, twice, wakes whoever reads for each packet or two, and stops and
starts the connection in between. A large body needs no parser: what aiohttp has of it is taken, its
transport is paused, and the loop reads into buffers as large as a write.

Always true: the parser never sees the end of such a body, so the connection ends with the answer;
of a body that was not read whole, aiohttp has the rest again, and drains it. What was yielded is
not written to again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import web

from hodhod_server.blobs.store import Piece
from hodhod_server.domain.errors import Malformed
from hodhod_server.media import answers
from hodhod_server.media.sending import is_sendable

BUFFER_BYTES: Final = 512 * 1024
LEFT_BYTES: Final = 64 * 1024  # with less room, the next buffer is begun


def body_of(request: web.Request, *, direct_bytes: int) -> AsyncGenerator[Piece, None]:
    """The body as it comes, past the parser from `direct_bytes` on; close it.

    Raises `Malformed`, `ConnectionError`.
    """
    length = request.content_length or 0
    if length < direct_bytes or request.content.is_eof() or not is_sendable(request.transport):
        return _from_parser(request)
    return _from_socket(request, length)


async def _from_parser(request: web.Request) -> AsyncGenerator[Piece, None]:
    content = request.content
    try:
        while not content.at_eof():
            piece, _ = await content.readchunk()  # `readany` would copy several into one
            if piece:
                yield piece
    except web.RequestPayloadError:
        raise Malformed("the body is not well-formed HTTP") from None


async def _from_socket(request: web.Request, length: int) -> AsyncGenerator[Piece, None]:
    content, transport = request.content, request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the sender left")
    answers.end_connection(request)
    early = content.read_nowait()  # which may resume the transport
    transport.pause_reading()
    left = length - content.total_bytes
    room = memoryview(b"")
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        if early:
            yield early
        while left:
            if len(room) < min(left, LEFT_BYTES):
                room = memoryview(bytearray(BUFFER_BYTES))
            try:
                count = os.readv(socket, [room[:left]])
            except BlockingIOError:
                await _readable(socket)
                continue
            if not count:
                raise ConnectionResetError("the sender left")
            piece, room = room[:count], room[count:]
            left -= count
            yield piece
    finally:
        os.close(socket)
        if not left:
            content.feed_eof()
        elif not transport.is_closing():
            transport.resume_reading()


async def _readable(socket: int) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_reader(socket, woken.set)
    try:
        await woken.wait()
    finally:
        loop.remove_reader(socket)
