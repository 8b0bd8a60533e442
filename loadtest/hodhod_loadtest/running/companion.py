"""The process of those who are inside, as the runner sees it: start it, let it act, hear of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.running.casting import Act, Cast, Pacing, Said

COMING_S: Final = 300.0
LEAVE_S: Final = 10.0


class InsideFailed(Exception):
    """The process ended before its time; the text says how."""


@dataclass(slots=True)
class Company:
    """Those who are inside. `latest` is what they said last."""

    process: asyncio.subprocess.Process
    folder: Path
    latest: Said = field(default_factory=lambda: Said(what="ready"))
    acts: int = 0

    async def play(self, started_s: float, until_s: float, pacings: list[Pacing]) -> Recording:
        """Let them act; their part of the recording. Raises `InsideFailed`."""
        self.acts += 1
        part = self.folder / f"part{self.acts}.json"
        act = Act(started_s=started_s, until_s=until_s, pacings=pacings, part=str(part))
        await _tell(self.process, act)
        while (said := await self._heard()).what != "over":
            self.latest = said
        self.latest = said
        return await asyncio.to_thread(Recording.read, part)

    async def _heard(self) -> Said:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise InsideFailed(
                f"those who are inside are gone, with code {await self.process.wait()}"
            )
        return msgspec.json.decode(line, type=Said)

    async def gathered(self) -> None:
        """Everybody is connected. Raises `InsideFailed`, `TimeoutError`."""
        async with asyncio.timeout(COMING_S):
            await self._heard()


@contextlib.asynccontextmanager
async def company(cast: Cast, folder: Path) -> AsyncIterator[Company]:
    """Everybody who is inside, connected while the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hodhod_loadtest.running.inside",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        inside = Company(process, folder)
        await _tell(process, cast)
        await inside.gathered()
        yield inside
    finally:
        await _end(process)


async def _tell(process: asyncio.subprocess.Process, line: msgspec.Struct) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(line) + b"\n")
    await process.stdin.drain()


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
