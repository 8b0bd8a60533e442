"""A device: the real SDK below `Client`, on a simulated network and disk, with its person.

A crash takes the process and what it had not saved. What the person holds goes back to what the
session file knows, as an app's would that keeps its messages beside it: whatever is beyond must
come again, and nothing else may.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from hodhod._account import Account
from hodhod._background import Background
from hodhod._errors import HodhodError
from hodhod._keeper import Keeper
from hodhod._line import Line
from hodhod._models import Message
from hodhod._outbox import Pending
from hodhod._session import BUFFER_EVENTS_MAX, Kept
from hodhod._state import State
from hodhod._transport import Connection
from hodhod_wire.events import Text
from tests.simulation.ledger import Ledger
from tests.simulation.processes import Process
from tests.simulation.sabotage import Sabotage

URL: Final = "http://simulation"
Dial = Callable[["Device"], Awaitable[Connection]]


class Disk:
    """Where the session file lies. It survives what its writer does not."""

    def __init__(self, state: State) -> None:
        self.content = msgspec.json.encode(state)

    def read(self) -> State:
        return msgspec.json.decode(self.content, type=State)


class MemoryFile:
    """One program's hold on it (`hodhod._state.Storage`)."""

    def __init__(self, disk: Disk, owner: Process, sabotage: Sabotage) -> None:
        self._disk = disk
        self._owner = owner
        self._sabotage = sabotage

    def open(self, url: str) -> State:
        return self._disk.read()

    def write(self, state: bytes) -> None:
        if self._owner.is_alive:
            self._disk.content = self._sabotage.saved(state)

    def close(self) -> None:
        """Nobody else wants it: the world starts one program per device."""


class SignedIn(Account):
    """Somebody whose token never ends: signing in is not what is simulated."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def access_token(self) -> str:
        return self._token

    async def renew(self, rejected: str) -> str:
        return self._token

    async def sign_out(self) -> None:
        """There is nothing to forget."""


class Device:
    """One person's device, through all its lives."""

    def __init__(
        self,
        user: int,
        number: int,
        ledger: Ledger,
        state: State,
        dice: random.Random,
        sabotage: Sabotage,
    ) -> None:
        self.user: Final = user
        self.number: Final = number
        self.ledger: Final = ledger
        self.disk: Final = Disk(state)
        self.token: Final = f"{user}.{number + 1}"  # ids begin with 1
        self.process: Process | None = None
        self.is_slow_reader = dice.random() < 0.5
        self._dice = dice
        self._buffer_events_max = dice.choice([8, BUFFER_EVENTS_MAX])
        self._sabotage = sabotage
        self._line: Line | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def has_sent_all(self) -> bool:
        """Nothing waits in the outbox."""
        return self._line is not None and not self._line.session.outbox.pending

    def start(self, process: Process, dial: Callable[[str], Awaitable[Connection]]) -> None:
        """The program is started."""
        self.process = process
        self._stopping = asyncio.Event()
        process.start(self._run(process, dial, self._stopping))

    def crash(self) -> None:
        """Everything that was not on the disk is gone."""
        if self.process is not None:
            self.process.kill()
        self.process = self._line = None
        self.ledger.end_life(asyncio.get_running_loop().time())
        self.ledger.go_back(self.disk.read().chats)

    def stop(self) -> None:
        """The program is closed as it should be; it ends soon."""
        if self._stopping is not None:
            self._stopping.set()

    def write(self, chat: int, client_id: int, text: str) -> None:
        """The person writes a message; the program waits for it as long as it lasts."""
        is_closing = self._stopping is None or self._stopping.is_set()
        if self.process is not None and self._line is not None and not is_closing:
            pending = Pending(client_id=client_id, chat=chat, body=Text(text))
            self.process.start(self._send(self._line, pending))

    async def _run(
        self,
        process: Process,
        dial: Callable[[str], Awaitable[Connection]],
        stopping: asyncio.Event,
    ) -> None:
        """What `Client` does with the same parts."""
        keeper = Keeper(MemoryFile(self.disk, process, self._sabotage), URL)
        await keeper.open()
        async with Background() as background:
            background.start(keeper.run, keeper.fail)
            state = keeper.state
            session = self._sabotage.session(
                self.user,
                outbox=self._sabotage.outbox(state.pending),
                kept=state.chats,
                knows_all=state.knows_all,
                dice=self._dice,
                buffer_events_max=self._buffer_events_max,
            )
            line = Line(
                session, SignedIn(self.token), keeper, dial, deadline_s=20.0, dice=self._dice
            )
            keeper.fill_with(lambda state: _fill(state, line))
            background.start(line.run, line.fail)
            self._line = line
            reading = background.start(lambda: self._read(line), line.fail)
            await stopping.wait()
            reading.cancel()
            session.confirm()
            await line.say_goodbye()
        await keeper.close()
        self._line = None
        self.ledger.go_back(self.disk.read().chats)

    async def _read(self, line: Line) -> None:
        while True:
            event = await line.next_event()
            if isinstance(event, Message):
                self.ledger.take_event(event)
            if self.is_slow_reader:
                await asyncio.sleep(self._dice.random() * 2)

    async def _send(self, line: Line, pending: Pending) -> None:
        self.ledger.attempt(pending.chat, pending.client_id, asyncio.get_running_loop().time())
        with contextlib.suppress(HodhodError):  # unconfirmed: it is kept, and comes as an event
            self.ledger.take_returned(await line.send(pending))


def _fill(state: State, line: Line) -> None:
    """As `Client` fills it before each write."""
    state.chats = line.session.kept()
    state.pending = line.session.outbox.pending
    state.knows_all = line.session.knows_all


def newcomer(user: int, chats: dict[int, Kept], *, knows_all: bool) -> State:
    """What the session file of a device holds after it signed in."""
    return State(url=URL, user=user, knows_all=knows_all, chats=chats)
