"""Messages under way between pairs.

A message has landed when its writer was told that it is durable and its reader has it. Both ends
are in this process, so one clock times both.

Always true: a message lands once. One that is doubled, or refused for another reason than that the
server is overloaded, is trouble, and trouble fails the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.people import Pair

TEXT_CHARS: Final = 100  # as in the measurements of other servers that ours are compared with
TEXT: Final = "salaam " * (TEXT_CHARS // 7) + "!" * (TEXT_CHARS % 7)
FIRST_NUMBER: Final = 1 << 32  # refs of other requests stay far below
_OVERLOADED: Final = "overloaded"
_NUMBERS: Final = itertools.count(FIRST_NUMBER)  # a sender's numbers are its own for ever


@dataclass(frozen=True, slots=True)
class Wire:
    """A pair, connected."""

    chat: int
    writer: Connection
    reader: Connection


@dataclass(slots=True)
class Flight:
    """One message; times are the loop's."""

    wire: Wire
    due: float
    is_durable: bool = False
    received_at: float | None = None

    @property
    def has_landed(self) -> bool:
        return self.is_durable and self.received_at is not None


class Flights:
    """All messages under way; hears every connection of a run."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.refusals = 0
        self.on_landed: Callable[[Flight], None] = lambda flight: None
        self.on_heard: Callable[[], None] = lambda: None
        self._under_way: dict[int, Flight] = {}
        self._clock = asyncio.get_running_loop().time
        self._quiet = asyncio.Event()

    def take_off(self, wire: Wire, due: float) -> Flight:
        """Write a message that is, or was, due at that time."""
        number = next(_NUMBERS)
        flight = self._under_way[number] = Flight(wire, due)
        self._quiet.clear()
        wire.writer.send_text(wire.chat, number, TEXT)
        return flight

    async def all_landed(self, within_s: float) -> bool:
        """Wait until nothing is under way any more. Raises `BenchFailed` with any trouble."""
        if self._under_way and self.trouble is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._quiet.wait()
        if self.trouble is not None:
            raise BenchFailed(self.trouble)
        return not self._under_way

    def sent(self, ref: int) -> None:
        self.on_heard()
        flight = self._under_way.get(ref)
        if flight is None or flight.is_durable:
            self.ended("a message was acknowledged twice")
            return
        flight.is_durable = True
        self._settle(ref, flight)

    def received(self, client_id: int) -> None:
        now = self._clock()
        self.on_heard()
        flight = self._under_way.get(client_id)
        if flight is None or flight.received_at is not None:
            self.ended("a message came twice")
            return
        flight.received_at = now
        self._settle(client_id, flight)

    def refused(self, ref: int, code: str) -> None:
        self.refusals += 1
        self._forget(ref)
        if code != _OVERLOADED:
            self.ended(f"a message was refused: {code}")

    def ended(self, why: str) -> None:
        self.trouble = self.trouble or why
        self._quiet.set()

    def _settle(self, number: int, flight: Flight) -> None:
        if flight.has_landed:
            self._forget(number)
            self.on_landed(flight)

    def _forget(self, number: int) -> None:
        self._under_way.pop(number, None)
        if not self._under_way:
            self._quiet.set()


@contextlib.asynccontextmanager
async def connected(pairs: Sequence[Pair], door: Door) -> AsyncIterator[tuple[list[Wire], Flights]]:
    """Both people of every pair, connected while the block runs."""
    flights = Flights()
    connections: list[Connection] = []

    async def connect(token: str, chat: int) -> Connection:
        connection = await Connection.open(door, token, flights)
        connections.append(connection)
        await connection.sync({chat: 1})
        return connection

    try:
        wires = [
            Wire(
                pair.chat,
                await connect(pair.writer.token, pair.chat),
                await connect(pair.reader.token, pair.chat),
            )
            for pair in pairs
        ]
        yield wires, flights
    finally:
        for connection in connections:
            await connection.close()
