"""Starts the processes of a run together, waits for all of them, and merges what they leave.

Each gets a command of its own with its share, a moment at which all begin (the monotonic clock is
one for a machine) and a file for its part. Where one fails the others are ended, since a run of
which a part is missing is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.spreading.merging import merged
from hodhod_loadtest.spreading.share import Share

START_S: Final = 5.0
"""From the first process's start until all begin: enough to start Python on a busy machine."""

GOODBYE_S: Final = 10.0

Command = Callable[[Share, float, Path], Sequence[str]]
"""Of a share, of the moment (`time.monotonic`) at which all begin, of the file for its part."""


class PartMissing(Exception):
    """A process failed, or left no part; the text says which."""


async def spread(
    command: Command, processes: int, folder: Path, start_s: float = START_S
) -> Recording:
    """One recording of all. Raises `PartMissing`, `RecordingUnreadable`."""
    shares = [Share(number, processes) for number in range(processes)]
    files = [folder / f"part-{share.number}.json" for share in shares]
    await asyncio.to_thread(_make_room, folder, files)
    begin_s = time.monotonic() + start_s
    started: list[Process] = []
    try:
        for share, file in zip(shares, files, strict=True):
            started.append(await asyncio.create_subprocess_exec(*command(share, begin_s, file)))
        await _all_done(started, shares)
    finally:
        await _end(started)
    return await asyncio.to_thread(_collected, files)


def _make_room(folder: Path, files: Sequence[Path]) -> None:
    """A part of a run before is not to be taken for one of this."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.unlink(missing_ok=True)


def _collected(files: Sequence[Path]) -> Recording:
    if missing := [file.name for file in files if not file.exists()]:
        raise PartMissing(f"no part was left: {', '.join(missing)}")
    return merged([Recording.read(file) for file in files])


async def _all_done(started: Sequence[Process], shares: Sequence[Share]) -> None:
    """Raises `PartMissing` as soon as one has failed."""

    async def one(process: Process, share: Share) -> None:
        if (code := await process.wait()) != 0:
            raise PartMissing(f"generator {share} ended with {code}")

    try:
        async with asyncio.TaskGroup() as tasks:
            for process, share in zip(started, shares, strict=True):
                tasks.create_task(one(process, share))
    except* PartMissing as failed:
        raise failed.exceptions[0] from None


async def _end(started: Sequence[Process]) -> None:
    for process in started:
        if process.returncode is None:
            process.terminate()
    for process in started:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
