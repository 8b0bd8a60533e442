"""Children that look at strangers' files, one process for each file, from start to end.

The worker never parses what a stranger sent. It hands a child descriptors, waits so long and no
longer, reads so many bytes and no more, and believes of the answer what its types allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec

from hodhod_server.processing.child import LENGTH, UNLOCKED, UNREADABLE
from hodhod_server.processing.contract import (
    ANSWER_BYTES_MAX,
    Answer,
    Bounds,
    Copy,
    Details,
    Nature,
    Task,
)
from hodhod_server.settings import ProcessingSettings
from hodhod_server.telemetry import logs

log = logs.get("processing")

_ENVIRONMENT: Final = {
    "MALLOC_ARENA_MAX": "2",  # arenas of 64 MiB for each thread would use up the address space
    "LC_ALL": "C.UTF-8",
}
REFUSED: Final = "unreadable"
NO_LOCK: Final = "unlocked"
_COMMAND: Final = (sys.executable, "-I", "-m", "hodhod_server.processing.child")


class ChildFailed(Exception):
    """The child ended before its time; the text is a word: `killed`, `slow` …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a child found. `details` is missing, with `failure` for why, where it did not end well;
    `outputs` are the files it wrote.
    """

    nature: Nature
    details: Details | None
    failure: str
    outputs: Mapping[Copy, IO[bytes]]


class Sandbox:
    """Starts children and ends them."""

    def __init__(self, settings: ProcessingSettings, scratch: Path) -> None:
        self._settings = settings
        self._scratch = scratch

    @contextlib.asynccontextmanager
    async def looking_at(self, source: IO[bytes], claimed_type: str) -> AsyncIterator[Findings]:
        """What the file is. The outputs live as long as the block.

        Raises `ChildFailed`, and `OSError` where the kernel lacks a lock that is required.
        """
        with contextlib.ExitStack() as files:
            outputs, scratch = await asyncio.to_thread(self._open_outputs, files)
            task = self._task(source, scratch, outputs, claimed_type)
            answers, failure = await self._run(task)
            if failure == NO_LOCK:
                raise OSError("this kernel has no seccomp, and processing.requires_lock is set")
            nature, details = _read(answers)
            if nature is not None and not nature.is_locked:
                log.warning("processing.unlocked")
            if nature is not None and failure == REFUSED:
                details = Details(problem=REFUSED)  # damaged, or not what it begins like
            if nature is None:
                raise ChildFailed(failure or "silent")
            yield Findings(nature=nature, details=details, failure=failure, outputs=outputs)

    def _open_outputs(self, files: contextlib.ExitStack) -> tuple[dict[Copy, IO[bytes]], IO[bytes]]:
        """Files without a name: whatever dies, nothing is left of them."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        return {copy: self._temporary(files) for copy in self._wanted()}, self._temporary(files)

    def _temporary(self, files: contextlib.ExitStack) -> IO[bytes]:
        return files.enter_context(tempfile.TemporaryFile(dir=self._scratch, buffering=0))

    def _wanted(self) -> list[Copy]:
        copies = [Copy.THUMB, Copy.POSTER, Copy.PLAY, Copy.VOICE]
        heights = {480: Copy.P480, 240: Copy.P240}
        return copies + [heights[height] for height in self._settings.film_heights]

    def _task(
        self,
        source: IO[bytes],
        scratch: IO[bytes],
        outputs: Mapping[Copy, IO[bytes]],
        claimed_type: str,
    ) -> Task:
        own = self._settings
        bounds = Bounds(
            cpu_s=own.cpu_s,
            memory_bytes=own.memory_bytes_max,
            output_bytes=own.output_bytes_max,
            pixels=own.pixels_max,
        )
        return Task(
            source=source.fileno(),
            scratch=scratch.fileno(),
            outputs={copy: file.fileno() for copy, file in outputs.items()},
            claimed_type=claimed_type,
            bounds=bounds,
            thumb_px=own.thumb_px,
            voice_s=own.voice_s,
            requires_lock=own.requires_lock,
            strips_metadata=own.strips_metadata,
        )

    async def _run(self, task: Task) -> tuple[bytes, str]:
        """What the child said, and why it ended if not by itself."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=[task.source, task.scratch, *task.outputs.values()],
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        said, failure = bytearray(), ""
        try:
            async with asyncio.timeout(self._settings.wall_s):
                await _converse(process, msgspec.msgpack.encode(task), said)
                await process.wait()
        except TimeoutError:
            failure = "slow"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
        return bytes(said), failure or _why(process.returncode)


async def _converse(process: asyncio.subprocess.Process, task: bytes, said: bytearray) -> None:
    if process.stdin is None or process.stdout is None:
        raise ChildFailed("no pipes")
    with contextlib.suppress(ConnectionError):
        process.stdin.write(task)
        await process.stdin.drain()
    process.stdin.close()
    while piece := await process.stdout.read(65_536):
        said += piece
        if len(said) > ANSWER_BYTES_MAX:
            raise TimeoutError  # it says more than there is to say


def _why(code: int | None) -> str:
    if code == 0:
        return ""
    if code in (UNREADABLE, UNLOCKED):
        return REFUSED if code == UNREADABLE else NO_LOCK
    return "killed" if code is not None and code < 0 else "out_of_memory"


def _read(answers: bytes) -> tuple[Nature | None, Details | None]:
    found: list[Answer] = []
    offset = 0
    with contextlib.suppress(msgspec.MsgspecError, ValueError):
        while offset + LENGTH.size <= len(answers):
            (length,) = LENGTH.unpack_from(answers, offset)
            offset += LENGTH.size
            if offset + length > len(answers):
                break
            piece = answers[offset : offset + length]
            found.append(msgspec.msgpack.decode(piece, type=Answer))
            offset += length
    nature = next((answer for answer in found if isinstance(answer, Nature)), None)
    details = next((answer for answer in found if isinstance(answer, Details)), None)
    return nature, details
