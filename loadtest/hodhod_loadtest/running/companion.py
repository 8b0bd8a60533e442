"""The processes of those who are inside, as the runner sees them: start them, let them act, hear.

All are told the same, and each which share of it is its own: one core is not always enough. Where
one process fails the run has failed, since a recording of which a part is missing is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_loadtest.running.casting import Act, Cast, Pacing, Said, together
from hodhod_loadtest.running.share import Share

COMING_S: Final = 300.0
LEAVE_S: Final = 10.0


class InsideFailed(Exception):
    """A process ended before its time; the text says how."""


@dataclass(slots=True)
class Player:
    """One of the processes. `latest` is what it said last."""

    process: Process
    share: Share
    latest: Said = field(default_factory=lambda: Said(what="ready"))

    async def play(self, act: Act) -> Recording:
        """Its part of the recording. Raises `InsideFailed`."""
        await self.tell(act)
        while (await self.hear()).what != "over":
            pass
        return await asyncio.to_thread(Recording.read, Path(act.part))

    async def tell(self, line: msgspec.Struct) -> None:
        """Who is to be played, or when they act."""
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(line) + b"\n")
        await self.process.stdin.drain()

    async def hear(self) -> Said:
        """What it says next. Raises `InsideFailed`."""
        assert self.process.stdout is not None
        if not (line := await self.process.stdout.readline()):
            code = await self.process.wait()
            raise InsideFailed(f"those who are inside ({self.share}) are gone, with code {code}")
        self.latest = msgspec.json.decode(line, type=Said)
        return self.latest


@dataclass(slots=True)
class Company:
    """Those who are inside. `cpu_s` is what they have used in their acts."""

    players: Sequence[Player]
    folder: Path
    cpu_s: float = 0.0
    acts: int = 0

    @property
    def latest(self) -> Said:
        """What they said last."""
        return together([player.latest for player in self.players])

    async def play(self, started_s: float, until_s: float, pacings: list[Pacing]) -> Recording:
        """Let them act; what all took down. Raises `InsideFailed`, in a group."""
        self.acts += 1
        act = Act(started_s=started_s, until_s=until_s, pacings=pacings, part="")
        async with asyncio.TaskGroup() as tasks:
            playing = [
                tasks.create_task(player.play(replace(act, part=self._file(player.share))))
                for player in self.players
            ]
        parts = [task.result() for task in playing]
        self.cpu_s += sum(part.generator.cpu_s for part in parts if part.generator)
        return await asyncio.to_thread(_joined, parts)

    def _file(self, share: Share) -> str:
        return str(self.folder / f"act{self.acts}-part{share.number}.json")


def _joined(parts: Sequence[Recording]) -> Recording:
    recorder = Recorder(time.monotonic)
    for part in parts:
        recorder.absorb(part)
    seconds = parts[0].seconds
    return recorder.finish(
        Recording(scenario="", seed=0, command="", started_at="", seconds=seconds)
    )


@contextlib.asynccontextmanager
async def company(cast: Cast, folder: Path, generators: int) -> AsyncIterator[Company]:
    """Everybody who is inside, connected while the block runs, dealt out to so many processes.

    Raises `InsideFailed`, `TimeoutError`.
    """
    players: list[Player] = []
    try:
        for number in range(generators):
            player = Player(await _started(), Share(number, generators))
            players.append(player)
            await player.tell(replace(cast, share=player.share))
        async with asyncio.timeout(COMING_S):
            for player in players:
                await player.hear()
        yield Company(players, folder)
    finally:
        await _end([player.process for player in players])


async def _started() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hodhod_loadtest.running.inside", stdin=PIPE, stdout=PIPE
    )


async def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_S):
            for process in processes:
                await process.wait()
    except TimeoutError:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
