"""Everybody who is online in one large chat, and how long a post takes to the last of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgpack

from hodhod_loadtest.bench import websocket
from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.flights import FIRST_NUMBER, TEXT
from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.bench.websocket import WebSocketError

COMING_AT_ONCE: Final = 16
COME_AGAIN_S: Final = 1.0
TRIES: Final = 30
POST_S: Final = 60.0


class Ear(Connection):
    """Looks for the newest post in what comes, and decodes nothing: a thousand share one core."""

    def __init__(self, door: Door, token: str, crowd: Crowd) -> None:
        super().__init__(door, token, crowd)
        self._crowd = crowd
        self._has_come = False

    async def come(self) -> None:
        """Say that from here on nothing but posts is expected."""
        await self.sync({})
        self._has_come = True

    def _take(self, opcode: int, payload: bytes) -> None:
        if self._has_come and opcode == websocket.BINARY:
            self._crowd.heard(self, payload)
        else:
            super()._take(opcode, payload)


class Crowd:
    """The online members but the one who writes."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._ears: list[Ear] = []
        self._missing: set[Ear] = set()
        self._marker = b""
        self._all_heard = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._last_at = 0.0
        self._number = FIRST_NUMBER - 1

    @property
    def size(self) -> int:
        return len(self._ears)

    async def gather(self, people: Sequence[Person], door: Door) -> None:
        """Connect all of them, some at once."""
        turns = iter(people)

        async def work() -> None:
            for person in turns:
                self._ears.append(await self._open(person, door))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(COMING_AT_ONCE):
                tasks.create_task(work())

    async def post(self, writer: Connection, chat: int) -> float:
        """One post; seconds until the last one had it. Raises `BenchFailed`."""
        self._number += 1
        self._marker = msgpack.packb(self._number)
        self._missing = set(self._ears)
        self._all_heard.clear()
        began = self._clock()
        writer.send_text(chat, self._number, TEXT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POST_S):
                await self._all_heard.wait()
        if self.trouble is not None:
            raise BenchFailed(self.trouble)
        if self._missing:
            raise BenchFailed(f"{len(self._missing)} did not hear a post within {POST_S:.0f} s")
        return self._last_at - began

    def heard(self, ear: Ear, payload: bytes) -> None:
        """Something came to one of them."""
        if self._marker not in payload:
            return  # a hint
        if ear not in self._missing:
            self.ended("a post came twice")
            return
        self._missing.discard(ear)
        self._last_at = self._clock()
        if not self._missing:
            self._all_heard.set()

    async def disperse(self) -> None:
        """Everybody leaves."""
        async with asyncio.TaskGroup() as tasks:
            for ear in self._ears:
                tasks.create_task(ear.close())

    # --- what a connection tells -----------------------------------------------------------------

    def sent(self, ref: int) -> None:
        """The post is durable; that it is heard says so as well."""

    def received(self, client_id: int) -> None:
        """Before the crowd was complete."""

    def refused(self, ref: int, code: str) -> None:
        self.ended(f"refused: {code}")

    def ended(self, why: str) -> None:
        self.trouble = self.trouble or why
        self._all_heard.set()

    # --- inside ----------------------------------------------------------------------------------

    async def _open(self, person: Person, door: Door) -> Ear:
        for _ in range(TRIES):
            ear = Ear(door, person.token, self)
            try:
                await ear.connect()
                await ear.come()
            except WebSocketError:  # too many at once: told to come again
                self.trouble = None
                await asyncio.sleep(COME_AGAIN_S)
            else:
                return ear
        raise BenchFailed("somebody could not get in")


@contextlib.asynccontextmanager
async def gathered(people: Sequence[Person], door: Door) -> AsyncIterator[tuple[Crowd, Connection]]:
    """The first is the writer, the others listen, while the block runs."""
    crowd = Crowd()
    writer = await Connection.open(door, people[0].token, crowd)
    try:
        await crowd.gather(people[1:], door)
        yield crowd, writer
    finally:
        await crowd.disperse()
        await writer.close()
