"""People who are inside: they stay connected, come back when they are thrown out, and read on.

A writer sends again what it was not told to be durable; a listener takes the log in its order and
asks for what is missing. So what a ledger calls lost, doubled or reordered is the server's doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import time
from collections.abc import Iterator
from typing import Any, Final

from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.bench.flights import FIRST_NUMBER, TEXT
from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.ledgers import Ledger
from hodhod_loadtest.signups.bell import Bell

GAP_GRACE_S: Final = 1.0
"""So long a missing message may still be on its way; then it is asked for."""

AGAIN_S: Final = 1.0
AGAIN_S_MAX: Final = 5.0
REFUSED_S: Final = 1.0
Event = dict[str, Any]
NUMBERS: Final[Iterator[int]] = itertools.count(FIRST_NUMBER)


class Line(Connection):
    """A connection that also tells where in its chat a message stands."""

    def __init__(self, door: Door, resident: Resident) -> None:
        super().__init__(door, resident.person.token, resident)
        self._resident = resident

    def _dispatch(self, frame: Event) -> None:
        match frame["t"]:
            case "event":
                self._resident.told(frame["event"])
            case "sent":
                self._resident.acknowledged(frame["ref"], frame["seq"])
            case "resync":
                self._resident.fell_behind()
            case _:
                super()._dispatch(frame)


class Resident:
    """One person in one chat, on one connection after the other."""

    def __init__(self, person: Person, ledger: Ledger, recorder: Recorder, chance: random.Random):
        self.person: Final = person
        self.ledger: Final = ledger
        self._recorder = recorder
        self._chance = chance
        self._bell = Bell()
        self._line: Line | None = None
        self._ended_s: float | None = None
        self._spread_s = 0.0
        self._due_s = math.inf  # when to read on

    async def come(self, door: Door) -> None:
        """Until connected and up to date, however often it takes."""
        pause_s = self._spread_s
        while True:
            if pause_s:
                await asyncio.sleep(self._chance.uniform(0.0, pause_s))
            line = Line(door, self)
            try:
                await line.connect()
                self._line, self._spread_s = line, line.reconnect_within_s
                await self._catch_up(line)
            except (OSError, TimeoutError):  # refused, broken, or told to come again
                self._recorder.count("error.connect")
                self._line = None
                pause_s = min(AGAIN_S_MAX, max(AGAIN_S, 2 * pause_s))
            else:
                return

    async def stay(self, door: Door) -> None:
        """From here on, until cancelled."""
        while True:
            if self._line is None:
                await self.come(door)
                if self._ended_s is not None:
                    self._recorder.note("reconnect", self._ended_s, time.monotonic())
                    self._ended_s = None
            elif time.monotonic() >= self._due_s:
                await self.read_on()
            await self._bell.wait(self._due_s)

    async def read_on(self) -> None:
        """Ask for what is missing."""
        self._due_s = math.inf
        if self._line is not None:
            try:
                await self._catch_up(self._line)
            except (OSError, TimeoutError):
                self._due_s = time.monotonic() + GAP_GRACE_S

    def leave(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.hang_up()

    async def _catch_up(self, line: Line) -> None:
        """After each welcome, and whenever something is missing."""

    # --- what a connection tells -----------------------------------------------------------------

    def told(self, event: Event) -> None:
        """A message of the chat."""

    def fell_behind(self) -> None:
        """The server does not know what it pushed."""
        self._due_s = time.monotonic()
        self._bell.ring()

    def acknowledged(self, number: int, seq: int) -> None:
        """A message of ours is durable."""

    def sent(self, ref: int) -> None:
        """Told with its place, above."""

    def received(self, client_id: int) -> None:
        """Told with its place, above."""

    def refused(self, ref: int, code: str) -> None:
        """A message was not taken."""

    def ended(self, why: str) -> None:
        self._recorder.count("disconnects")
        if self._ended_s is None:
            self._ended_s = time.monotonic()
        self._line = None
        self._bell.ring()


class Writer(Resident):
    """Writes at given times, and again what may not have arrived."""

    kind = "ack"
    """Under which it is noted how long it took."""

    def write(self, due_s: float) -> None:
        """A message that is, or was, due then."""
        number = next(NUMBERS)
        self.ledger.written(number, due_s)
        self._recorder.count("messages.written")
        if self._line is not None:
            self._line.send_text(self.ledger.chat, number, TEXT)

    async def _catch_up(self, line: Line) -> None:
        for number, post in list(self.ledger.under_way.items()):
            if not post.is_durable:
                self._write_again(number)

    def _write_again(self, number: int) -> None:
        post = self.ledger.under_way.get(number)
        if post is not None and not post.is_durable and self._line is not None:
            self.ledger.written(number, post.due_s)
            self._line.send_text(self.ledger.chat, number, TEXT)

    def acknowledged(self, number: int, seq: int) -> None:
        post = self.ledger.acknowledged(number, seq)
        if post is not None:
            self._recorder.count("messages.acknowledged")
            self._recorder.note(self.kind, post.due_s, time.monotonic())

    def refused(self, ref: int, code: str) -> None:
        self._recorder.count(f"refused.{code}")
        pause_s = REFUSED_S * self._chance.uniform(1.0, 2.0)
        asyncio.get_running_loop().call_later(pause_s, self._write_again, ref)


class Listener(Resident):
    """Holds the chat's log from where it stood at the first welcome."""

    kind = "message"
    """Under which it is noted how long it took."""

    def __init__(
        self,
        person: Person,
        ledger: Ledger,
        recorder: Recorder,
        chance: random.Random,
        place: int = 0,
    ) -> None:
        super().__init__(person, ledger, recorder, chance)
        self._place = place
        self._last: int | None = None
        self._early: dict[int, Event] = {}

    async def has_read_all(self, within_s: float) -> bool:
        """Read the log to its end as it is now; False where that was not possible in time."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            if self._line is not None:
                with contextlib.suppress(OSError, TimeoutError):
                    await self._catch_up(self._line)
                    return True
            await asyncio.sleep(GAP_GRACE_S)
        return False

    async def _catch_up(self, line: Line) -> None:
        if self._last is None:
            chats = (await line.sync({}))["chats"]
            own = (one["chat"] for one in chats if one["chat"]["chat"] == self.ledger.chat)
            self._last = max((chat.get("last_seq", 0) for chat in own), default=0)
            self._take_what_follows()
            return
        while True:
            page = await line.history(self.ledger.chat, self._last)
            for event in page["events"]:
                self.told(event)
            if not page.get("more"):
                return

    def told(self, event: Event) -> None:
        if event["chat"] != self.ledger.chat:
            self._recorder.count("messages.read_by_others")
            self._recorder.violated(f"read by others: chat {event['chat']}, seq {event['seq']}")
            return
        self._early[event["seq"]] = event
        self._take_what_follows()

    def _take_what_follows(self) -> None:
        if self._last is None:
            return
        while (event := self._early.pop(self._last + 1, None)) is not None:
            self._last += 1
            self._take(event)
        for seq in [seq for seq in self._early if seq <= self._last]:
            del self._early[seq]
        if self._early and self._due_s == math.inf:
            self._due_s = time.monotonic() + GAP_GRACE_S
            self._bell.ring()

    def _take(self, event: Event) -> None:
        if event["body"]["t"] != "text":
            return  # a notice
        post = self.ledger.heard(self._place, event["seq"], event["sender"], event["client_id"])
        if post is not None:
            self._recorder.count("messages.received")
            self._recorder.note(self.kind, post.due_s, time.monotonic())
