"""Our end of Locust's worker protocol: joins a master, does what it says, reports what came of it.

The master says how many of each class there are, all of them at once and again with each change.
Every three seconds it is told what is new, every second that we live. Before this worker says that
it has stopped or leaves, it tells what is left: no window is lost, also the last.

Always true: the worker ends when the master says so, when it is asked to, or when the master has
said nothing for a minute (`MasterSilent`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any, Final

from hodhod_loadtest.locusts.people import People
from hodhod_loadtest.locusts.protocol import ANY_VERSION, Line
from hodhod_loadtest.locusts.tally import Tally
from hodhod_loadtest.selftest.connected import resident_kib

READY: Final = "ready"
SPAWNING: Final = "spawning"
RUNNING: Final = "running"

HEARTBEAT_S: Final = 1.0
REPORT_S: Final = 3.0
ANSWER_S: Final = 5.0
TRIES: Final = 60
SILENT_S: Final = 60.0
STOP_S: Final = 2.0
QUIT_S: Final = 0.2  # a master that quits listens half a second longer
LATE_S: Final = 0.002
LATE: Final = "this worker was late: what was measured meanwhile says nothing of the server"
"""As for `make bench`: later than that for one in a hundred."""


class MasterSilent(Exception):
    """Nobody answers there, or not any more; the text says which."""


async def join(line: Line, tries: int = TRIES) -> int:
    """Until the master knows us: which of its workers this is. Raises `MasterSilent`."""
    for _ in range(tries):
        await line.send("client_ready", ANY_VERSION)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while (message := await line.receive()).kind != "ack":
                    pass
            return int((message.data or {}).get("index", 0))
    raise MasterSilent("no master answered")


class Worker:
    """One worker that has joined. `cast` has the classes that it can play; of others it says so."""

    def __init__(self, line: Line, tally: Tally, cast: Mapping[str, People]) -> None:
        self._line = line
        self._tally = tally
        self._cast = cast
        self._state = READY
        self._spawned_at = 0.0
        self._heard_s = time.monotonic()
        self._is_over = asyncio.Event()
        self._used_s = time.process_time(), time.monotonic()
        self._complaints: set[str] = set()

    async def work(self) -> None:
        """Until it is over. Raises `MasterSilent`."""
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(people.run()) for people in self._cast.values()]
            begun.append(tasks.create_task(self._live()))
            obeying = tasks.create_task(self._obey())
            await self._tell()
            obeying.cancel()
            await self._end()
            for task in begun:
                task.cancel()
        if time.monotonic() - self._heard_s > SILENT_S:
            raise MasterSilent(f"the master has said nothing for {SILENT_S:.0f} s")

    def quit(self) -> None:
        """Somebody here wants it to end."""
        self._is_over.set()

    # --- loops -----------------------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            cpu_s, now_s = time.process_time(), time.monotonic()
            busy = (cpu_s - self._used_s[0]) / max(HEARTBEAT_S / 2, now_s - self._used_s[1])
            self._used_s = cpu_s, now_s
            told = {
                "state": self._state,
                "current_cpu_usage": round(100 * busy, 1),
                "current_memory_usage": round(1024 * resident_kib()),
            }
            await self._line.send("heartbeat", told)
            if now_s - self._heard_s > SILENT_S:
                self._is_over.set()
            await asyncio.sleep(HEARTBEAT_S)

    async def _tell(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await self._is_over.wait()
            await self._report()

    async def _obey(self) -> None:
        while True:
            message = await self._line.receive()
            self._heard_s = time.monotonic()
            match message.kind:
                case "spawn":
                    await self._spawn(message.data)
                case "stop":
                    await self._stop()
                case "quit":
                    self._is_over.set()
                case "reconnect":
                    self._line.reopen()
                    await self._line.send("client_ready", ANY_VERSION)
                case _:
                    pass  # ack, heartbeat, spawning_complete, and what is for locustfiles

    # --- what it says ----------------------------------------------------------------------------

    async def _spawn(self, job: Mapping[str, Any]) -> None:
        await self._line.send("spawning")
        if job["timestamp"] <= self._spawned_at:
            return  # one that was overtaken
        self._spawned_at = job["timestamp"]
        if self._state == READY:
            self._tally.report()  # a new test: nothing of the one before
        self._state = SPAWNING
        for name, count in job["user_classes_count"].items():
            if name in self._cast:
                self._cast[name].become(count)
            elif count:
                self._complaints.add(f"this worker cannot play {name}")
        await self._line.send("spawning_complete", self._counts())
        self._state = RUNNING

    async def _stop(self) -> None:
        await self._leave(STOP_S)
        await self._report()
        await self._line.send("client_stopped")
        await self._line.send("client_ready", ANY_VERSION)
        self._state = READY

    async def _end(self) -> None:
        """What is left, after what `_tell` told last."""
        await self._leave(QUIT_S)
        await self._report()
        await self._line.send("quit")

    async def _leave(self, within_s: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for people in self._cast.values():
                tasks.create_task(people.leave(within_s))

    async def _report(self) -> None:
        await self._line.send("stats", {**self._tally.report(), **self._counts()})
        complaints, self._complaints = self._complaints, set()
        for people in self._cast.values():
            complaints |= people.complaints
            people.complaints.clear()
            if people.lateness.p99_s() > LATE_S:
                complaints.add(LATE)
        for text in sorted(complaints):
            # A master tells them apart by their traceback alone.
            await self._line.send("exception", {"msg": text, "traceback": f"{text}\n"})

    def _counts(self) -> dict[str, Any]:
        counts = {name: people.count for name, people in self._cast.items()}
        return {"user_classes_count": counts, "user_count": sum(counts.values())}
