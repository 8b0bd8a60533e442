"""Requests and replies on one connection, matched by `ref`.

Always true: every request that was written gets its reply, or `Ended`. A connection that leaves the
oldest request unanswered for `deadline_s` counts as dead, whatever its socket believes.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from hodhod._transport import Connection, Ended
from hodhod_wire.frames import Push, Reply, Request, ServerFrame

PATIENCE_S: Final = 30.0  # longer than any queue of the server; shorter than a person's patience


class _Asked(NamedTuple):
    due_s: float
    reply: asyncio.Future[Reply]


class Conversation:
    """One connection, from its welcome to its end."""

    def __init__(self, connection: Connection, *, patience_s: float = PATIENCE_S) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self._refs = itertools.count(2)  # 1 was the hello
        self._asked: dict[int, _Asked] = {}
        self._watchdog: asyncio.Timeout | None = None
        self._ended: Ended | None = None

    async def ask(self, request: Request) -> Reply:
        """Send a request, wait for its reply. Raises `Ended`."""
        return await (await self.post(request))

    async def post(self, request: Request) -> asyncio.Future[Reply]:
        """Send a request; its reply, or `Ended`, comes later. Raises `Ended`."""
        if self._ended is not None:
            raise self._ended
        loop = asyncio.get_running_loop()
        ref = next(self._refs)
        asked = _Asked(loop.time() + self._patience_s, loop.create_future())
        self._asked[ref] = asked
        self._watch()
        await self._connection.send(msgspec.structs.replace(request, ref=ref))
        return asked.reply

    async def tell(self, request: Request) -> None:
        """Send a request that asks for no reply. Raises `Ended`."""
        await self._connection.send(request)

    async def read(self, take_push: Callable[[Push], None]) -> Ended:
        """Take what arrives until the connection is over. Returns how it ended."""
        try:
            async with asyncio.timeout(None) as self._watchdog:
                while True:
                    self._take(await self._connection.receive(), take_push)
        except TimeoutError:
            ended = Ended(None)
        except Ended as error:
            ended = error
        self._end(ended)
        return ended

    def _take(self, frame: ServerFrame, take_push: Callable[[Push], None]) -> None:
        if not isinstance(frame, Reply):
            take_push(frame)
            return
        asked = self._asked.pop(frame.ref, None)
        if asked is not None and not asked.reply.done():
            asked.reply.set_result(frame)
        self._watch()

    def _watch(self) -> None:
        """The connection has until the oldest request is due."""
        if self._watchdog is not None and self._ended is None:
            oldest = next(iter(self._asked.values()), None)
            self._watchdog.reschedule(None if oldest is None else oldest.due_s)

    def _end(self, ended: Ended) -> None:
        self._ended = ended
        for asked in self._asked.values():
            if not asked.reply.done():
                asked.reply.set_exception(ended)
                asked.reply.exception()  # marks it as seen: whoever asked may have left
        self._asked.clear()
