"""People who are online and write to one another, each to the one who came before.

Latency counts from when a message was due to when its reader has it; both ends are in this
process, so one clock times both. Each person writes at a rate, whatever became of earlier messages.

Always true: each message that was written is noted once, as one that came or as one that failed.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.bench.figures import BenchFailed
from hodhod_loadtest.bench.flights import TEXT
from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.locusts.stream import Lateness, stream
from hodhod_loadtest.locusts.tally import Tally
from hodhod_server.domain.clock import Clock

METHOD: Final = "WS"
CONNECT: Final = "connect"
MESSAGE: Final = "message"
ACKNOWLEDGED: Final = "acknowledged"
COMING_AT_ONCE: Final = 16
COME_AGAIN_S: Final = 1.0
PATIENCE_S: Final = 30.0
SWEEP_S: Final = 1.0
POLL_S: Final = 0.01
_A_SECONDS_NUMBERS: Final = 1 << 21  # nobody writes more in a second, so no run repeats another's


@dataclass(slots=True)
class _Flight:
    writer: Chatter
    due_s: float
    is_durable: bool = False
    has_come: bool = False


class Chatter:
    """One person. They read from whoever came after them."""

    def __init__(self, room: Chatters, before: Chatter | None) -> None:
        self._room = room
        self._before = before
        self._line: Connection | None = None
        self._chat = 0
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.user: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def before(self) -> Chatter | None:
        """Whom they write to."""
        return self._before

    async def live(self, person: Person) -> None:
        """Online until they go; where the connection ends, again after a while."""
        self.user.set_result(person.user)
        while True:
            if await self._connect(person):
                await self._stay()
            await asyncio.sleep(COME_AGAIN_S)

    def write(self, number: int) -> None:
        """One message, now."""
        if self._line is not None:
            self._line.send_text(self._chat, number, TEXT)

    # --- what a connection tells -----------------------------------------------------------------

    def sent(self, ref: int) -> None:
        self._room.acknowledged(ref)

    def received(self, client_id: int) -> None:
        self._room.came(client_id)

    def refused(self, ref: int, code: str) -> None:
        self._room.refused(ref, code)

    def ended(self, why: str) -> None:
        self._room.pause(self)
        if not self._over.done():
            self._over.set_result(why)

    # --- inside ----------------------------------------------------------------------------------

    async def _connect(self, person: Person) -> bool:
        self._over = asyncio.get_running_loop().create_future()
        partner = None if self._before is None else await self._before.user
        async with self._room.doorway:
            began_s = time.monotonic()
            error = None
            line = Connection(self._room.door, person.token, self)
            try:
                await line.connect()
                await line.sync({})
                if partner is not None:
                    self._chat = await line.open_chat(partner)
            except (OSError, TimeoutError) as trouble:
                error = str(trouble) or type(trouble).__name__
                line.hang_up()
            except BaseException:
                line.hang_up()
                raise
            self._room.tally.note(METHOD, CONNECT, time.monotonic() - began_s, error=error)
        self._line = None if error else line
        return error is None

    async def _stay(self) -> None:
        line, why = self._line, "gone"
        assert line is not None
        self._room.begin(self)
        try:
            why = await self._over
        finally:
            self._room.pause(self)
            line.hang_up()
            self._line = None
            self._room.lost(self, why)


class Chatters:
    """All of them. The first writes to somebody who is not counted."""

    def __init__(
        self,
        door: Door,
        next_person: Callable[[], Awaitable[Person]],
        tally: Tally,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self.per_s = 0.1
        """How often each writes."""

        self.door = door
        self.tally = tally
        self.lateness = Lateness()
        self.doorway = asyncio.Semaphore(COMING_AT_ONCE)
        self.complaints: set[str] = set()
        """What the master should hear of, besides requests."""

        self._next_person = next_person
        self._asking = asyncio.Semaphore(COMING_AT_ONCE)
        self._chance = chance
        self._numbers = itertools.count(int(clock.now().timestamp()) * _A_SECONDS_NUMBERS)
        self._tasks = asyncio.TaskGroup()
        self._here: list[tuple[Chatter, asyncio.Task[None]]] = []
        self._ready: list[Chatter] = []
        self._under_way: dict[int, _Flight] = {}

    @property
    def count(self) -> int:
        """How many there are, but for the first one's reader."""
        return max(0, len(self._here) - 1)

    def become(self, count: int) -> None:
        """Who came last goes first, so that everybody's reader is there."""
        wanted = count + 1 if count else 0
        while len(self._here) > wanted:
            self._tasks.create_task(self._see_off(*self._here.pop()))
        while len(self._here) < wanted:
            chatter = Chatter(self, self._here[-1][0] if self._here else None)
            self._here.append((chatter, self._tasks.create_task(self._live(chatter))))

    async def leave(self, within_s: float) -> None:
        """Nobody writes any more; what is under way has so long."""
        self._ready.clear()
        await _wait_while(lambda: bool(self._under_way), within_s)
        for number in list(self._under_way):
            self._fail(number, "under way at the end")
        self.become(0)

    async def run(self) -> None:
        """Write, and give up what does not come."""
        async with self._tasks as tasks:
            tasks.create_task(self._sweep())
            await stream(self._rate, self._write, self._chance, self.lateness)

    # --- what a chatter tells --------------------------------------------------------------------

    def begin(self, chatter: Chatter) -> None:
        """They are online."""
        if chatter.before is not None:
            self._ready.append(chatter)

    def pause(self, chatter: Chatter) -> None:
        """They write no more."""
        if chatter in self._ready:
            self._ready.remove(chatter)

    def acknowledged(self, number: int) -> None:
        """A message is durable."""
        flight = self._under_way.get(number)
        if flight is not None and not flight.is_durable:
            flight.is_durable = True
            self.tally.note(METHOD, ACKNOWLEDGED, time.monotonic() - flight.due_s)
            self._settle(number, flight)

    def came(self, number: int) -> None:
        """A message is with its reader."""
        flight = self._under_way.get(number)
        if flight is not None and not flight.has_come:
            flight.has_come = True
            self.tally.note(METHOD, MESSAGE, time.monotonic() - flight.due_s, len(TEXT))
            self._settle(number, flight)

    def refused(self, number: int, code: str) -> None:
        """A message was not taken."""
        self._fail(number, f"refused: {code}")

    def lost(self, chatter: Chatter, why: str) -> None:
        """Their connection is over: what they wrote may be durable, and nobody will tell."""
        for number, flight in list(self._under_way.items()):
            if flight.writer is chatter:
                self._fail(number, why)

    # --- inside ----------------------------------------------------------------------------------

    async def _live(self, chatter: Chatter) -> None:
        while True:
            try:
                async with self._asking:
                    person = await self._next_person()
            except (BenchFailed, aiohttp.ClientError, OSError, LookupError) as failed:
                self.complaints.add(f"nobody comes: {failed}")
                await asyncio.sleep(COME_AGAIN_S)
            else:
                await chatter.live(person)

    async def _see_off(self, chatter: Chatter, task: asyncio.Task[None]) -> None:
        """They go once nothing of theirs, or for them, is under way."""
        self.pause(chatter)
        await _wait_while(lambda: self._is_busy(chatter), PATIENCE_S)
        task.cancel()

    def _is_busy(self, chatter: Chatter) -> bool:
        flights = self._under_way.values()
        return any(chatter in (flight.writer, flight.writer.before) for flight in flights)

    def _rate(self) -> float:
        return len(self._ready) * self.per_s

    def _write(self, due_s: float) -> None:
        if not self._ready:
            return
        writer, number = self._chance.choice(self._ready), next(self._numbers)
        self._under_way[number] = _Flight(writer, due_s)
        writer.write(number)

    def _settle(self, number: int, flight: _Flight) -> None:
        if flight.is_durable and flight.has_come:
            del self._under_way[number]

    def _fail(self, number: int, why: str) -> None:
        flight = self._under_way.pop(number, None)
        if flight is None:
            return
        waited_s = time.monotonic() - flight.due_s
        if not flight.is_durable:
            self.tally.note(METHOD, ACKNOWLEDGED, waited_s, error=why)
        if not flight.has_come:
            self.tally.note(METHOD, MESSAGE, waited_s, error=why)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            before_s = time.monotonic() - PATIENCE_S
            for number, flight in list(self._under_way.items()):
                if flight.due_s > before_s:
                    break  # they are in the order in which they were due
                self._fail(number, f"nothing within {PATIENCE_S:.0f} s")


async def _wait_while(is_busy: Callable[[], bool], within_s: float) -> None:
    for _ in range(round(within_s / POLL_S)):
        if not is_busy():
            return
        await asyncio.sleep(POLL_S)
