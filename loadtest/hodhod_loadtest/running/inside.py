"""Those who are inside, in processes of their own: newcomers must not disturb their stopwatch.

Each is told who they are and when they act (`casting.py`), plays its share of them, takes down what
came of it, and ends when its standard input does. Started as `python -m
hodhod_loadtest.running.inside`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from hodhod_loadtest.bench.connection import Door
from hodhod_loadtest.bench.pacing import real_time_priority
from hodhod_loadtest.bench.suite import allow_many_sockets
from hodhod_loadtest.recording.model import Generator, Recording
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.casting import Act, Cast, CrowdPart, Pacing, Said
from hodhod_loadtest.running.ledgers import Ledger
from hodhod_loadtest.running.residents import Listener, Resident, Writer
from hodhod_loadtest.running.share import Turns
from hodhod_loadtest.running.uploads import Uploads
from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.signups.punctuality import calm_collector, pace

COMING_AT_ONCE: Final = 16
LAND_S: Final = 30.0
LOOK_S: Final = 0.1
LINE_BYTES_MAX: Final = 64 * 1024 * 1024
LAG: Final = "lag.inside"
"""With the share behind it where there are several: in all of them together, the lateness of one
would hardly be seen.
"""

LONG_S: Final = 3600.0
"""A run that is longer is folded as it goes, which takes milliseconds of the stopwatch's time."""


class Talk:
    """Chats whose writers take turns."""

    def __init__(self, part: CrowdPart, recorder: Recorder, chance: random.Random) -> None:
        self.ledgers: list[Ledger] = []
        self.writers: list[Writer] = []
        self.listeners: list[Listener] = []
        self._violated = functools.partial(_violated, recorder)
        for told in part.chats:
            writer, *listeners = told.people
            ledger = Ledger(told.chat, writer.user, len(listeners), self._violated)
            self.ledgers.append(ledger)
            self.writers.append(Writer(writer, ledger, recorder, chance))
            self.listeners += [
                Listener(person, ledger, recorder, chance, place)
                for place, person in enumerate(listeners)
            ]
        self._turns = itertools.cycle(self.writers)

    @property
    def people(self) -> Sequence[Resident]:
        return [*self.writers, *self.listeners]

    def act(self, due_s: float) -> None:
        """A message."""
        next(self._turns).write(due_s)


def _violated(recorder: Recorder, kind: str, what: str) -> None:
    recorder.count(f"messages.{kind}")
    recorder.violated(what)


class Inside:
    """Our share of all crowds, connected."""

    def __init__(self, cast: Cast, say: Callable[[Said], None]) -> None:
        self._door = Door(cast.host, cast.port, cast.path)
        self._say = say
        self._recorder = Recorder(time.monotonic)
        self._lag = LAG if cast.share.of == 1 else f"{LAG} {cast.share}"
        self._crowds: list[Talk | Uploads] = []
        self._turns: list[Turns] = []
        chance = cast.share.chance(cast.seed, "inside")
        for number, part in enumerate(cast.crowds):
            share = cast.share.of_crowd(number)
            alike = random.Random(f"{cast.seed} crowd {number}")
            self._turns.append(Turns(share, part.turns, alike))
            ours = part.dealt(share)
            if ours.uploading is not None:
                self._crowds.append(Uploads(ours.uploading))
            else:
                self._crowds.append(Talk(ours, self._recorder, chance))

    @property
    def _talks(self) -> list[Talk]:
        return [crowd for crowd in self._crowds if isinstance(crowd, Talk)]

    async def gather(self) -> None:
        """Connect everybody, some at once."""
        people = iter([person for talk in self._talks for person in talk.people])

        async def work() -> None:
            for person in people:
                await person.come(self._door)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(COMING_AT_ONCE):
                tasks.create_task(work())

    @contextlib.asynccontextmanager
    async def staying(self) -> AsyncIterator[None]:
        """Everybody stays while the block runs, and leaves after it."""
        async with asyncio.TaskGroup() as tasks:
            staying = [
                tasks.create_task(person.stay(self._door))
                for talk in self._talks
                for person in talk.people
            ]
            try:
                yield
            finally:
                for task in staying:
                    task.cancel()
        for talk in self._talks:
            for person in talk.people:
                person.leave()

    async def play(self, act: Act) -> None:
        """One act; its part of the recording is in its file afterwards."""
        self._recorder.begin(act.started_s)
        used_s = time.process_time()
        with real_time_priority() as is_real_time, calm_collector():
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._keep_telling(act, is_real_time))
                async with asyncio.TaskGroup() as crowds:
                    for crowd, turns, pacing in zip(
                        self._crowds, self._turns, act.pacings, strict=True
                    ):
                        crowds.create_task(self._pace(act, crowd, turns, pacing))
                    crowds.create_task(_until(act.started_s + act.until_s))
                await self._settle()
                telling.cancel()
        await self._leave_part(act, time.process_time() - used_s)
        self._say(Said(what="over", counts=self._recorder.totals(), is_real_time=is_real_time))

    async def _pace(self, act: Act, crowd: Talk | Uploads, turns: Turns, pacing: Pacing) -> None:
        if not pacing.points:
            return
        began_s = act.started_s + pacing.from_s
        times_s = turns.due_s(Curve(pacing.points))  # drawn before anything is due
        await _until(began_s)

        def fire(due_s: float) -> None:
            self._recorder.note(self._lag, due_s, time.monotonic())
            crowd.act(due_s)

        if isinstance(crowd, Uploads):
            async with crowd.open(self._recorder):
                await pace(times_s, fire, began_s)
        else:
            await pace(times_s, fire, began_s)

    async def _settle(self) -> None:
        """Until everything has landed; then everybody reads the log to its end, and is judged."""
        ledgers = [ledger for talk in self._talks for ledger in talk.ledgers]
        for _ in range(round(LAND_S / LOOK_S)):
            if not any(ledger.under_way for ledger in ledgers):
                break
            await asyncio.sleep(LOOK_S)
        listeners = iter([one for talk in self._talks for one in talk.listeners])
        unread: set[Ledger] = set()

        async def work() -> None:
            for listener in listeners:
                if not await listener.has_read_all(LAND_S):
                    self._recorder.count("error.unreachable")
                    unread.add(listener.ledger)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(COMING_AT_ONCE):
                tasks.create_task(work())
        for ledger in ledgers:
            if unanswered := ledger.unanswered:
                self._recorder.count("messages.unanswered", unanswered)
            if ledger not in unread:  # of a log that nobody could read nothing is known
                ledger.judge_lost()

    async def _leave_part(self, act: Act, used_s: float) -> None:
        part = Recording(scenario="", seed=0, command="", started_at="", seconds=act.until_s)
        self._recorder.finish(part)
        part.generator = Generator(lag_p99_ms=0.0, cpu_s=used_s)
        await asyncio.to_thread(part.write, Path(act.part))

    async def _keep_telling(self, act: Act, is_real_time: bool) -> None:
        is_long = act.until_s > LONG_S
        while True:
            await asyncio.sleep(1.0)
            if is_long:
                self._recorder.fold()
            second = int(self._recorder.now_s()) - 1
            self._say(
                Said(
                    what="going",
                    counts=self._recorder.totals(),
                    message_p99_ms=self._p99_ms("message", second),
                    lag_p99_ms=self._p99_ms(self._lag, second),
                    is_real_time=is_real_time,
                )
            )

    def _p99_ms(self, kind: str, second: int) -> float | None:
        quantile_s = self._recorder.quantile_s(kind, 0.99, second)
        return None if quantile_s is None else 1000 * quantile_s


async def _until(moment_s: float) -> None:
    await asyncio.sleep(max(0.0, moment_s - time.monotonic()))


async def _main() -> None:
    allow_many_sockets()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    inside = Inside(msgspec.json.decode(await reader.readline(), type=Cast), _say)
    await inside.gather()
    async with inside.staying():
        _say(Said(what="ready"))
        while line := await reader.readline():
            await inside.play(msgspec.json.decode(line, type=Act))


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(_main())
