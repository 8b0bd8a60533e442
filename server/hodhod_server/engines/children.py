"""Child processes that end with us, one way or another.

A child gets its own session, so that Ctrl-C reaches only the supervisor, which then stops all of
them in order. Where the kernel offers it (Linux), a child also gets a signal when its parent dies
without a word.

Always true: every child that was started is waited for, so none stays behind as a zombie.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

from hodhod_server.domain import backoff
from hodhod_server.engines.accounts import Account
from hodhod_server.telemetry import logs

RESTART_FIRST_S: Final = 0.2
RESTART_MAX_S: Final = 10.0
SETTLED_S: Final = 30.0  # who lived this long has proven itself: the next wait is the first again
_PR_SET_PDEATHSIG: Final = 1
log = logs.get("children")


class StartFailed(Exception):
    """Something could not be started; the text says what and why, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, as whom, and with what around it."""

    argv: Sequence[str]
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: {"LC_ALL": "C", "TZ": "UTC"})
    folder: str | None = "/"
    """Where it works; None: where we do."""

    stdin: int = DEVNULL
    output: IO[bytes] | int | None = None
    """Where stdout goes; None: ours."""

    errors: IO[bytes] | int | None = None
    """Where stderr goes; None: ours."""

    signal_at_our_death: signal.Signals | None = None


class Child(Protocol):
    """Something that runs and can be started again."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int: ...

    async def start(self) -> None:
        """Returns when it can be used. Raises `StartFailed`."""

    async def wait(self) -> int:
        """Its exit code, once it has one."""


async def start(command: Command) -> Process:
    """Start a process. Raises `StartFailed` where the system refuses."""
    try:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=command.folder,
            env=dict(command.environment),
            stdin=command.stdin,
            stdout=command.output,
            stderr=command.errors,
            start_new_session=True,
            preexec_fn=_preparation(command.account, command.signal_at_our_death),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartFailed(f"{command.argv[0]} cannot be started: {error}") from error


def _preparation(
    account: Account | None, at_our_death: signal.Signals | None
) -> Callable[[], None]:
    """What the child does between fork and exec; all that it needs is looked up before."""
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if at_our_death and sys.platform == "linux" else None

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        # After the change of user: that clears it.
        if prctl is not None and at_our_death is not None:
            prctl(_PR_SET_PDEATHSIG, int(at_our_death))
            if os.getppid() != parent:
                os._exit(1)

    return prepare


async def stop(process: Process, ladder: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal of the ladder and give it its seconds; SIGKILL is the last resort."""
    for number, patience_s in ladder:
        if process.returncode is not None:
            break
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()


async def keep_alive(child: Child, changed: Callable[[], None], dice: random.Random) -> None:
    """Start a running child again whenever it ends, waiting longer each time; never returns.

    `changed` is called when it runs again.
    """
    loop = asyncio.get_running_loop()
    attempt = 0
    started_at = loop.time()
    while True:
        code = await child.wait()
        attempt = 0 if loop.time() - started_at >= SETTLED_S else attempt
        wait_s = backoff.delay_s(attempt, first_s=RESTART_FIRST_S, max_s=RESTART_MAX_S, dice=dice)
        log.error("child.died", child=child.name, exit_code=code, restart_in_s=round(wait_s, 2))
        await asyncio.sleep(wait_s)
        attempt += 1
        started_at = loop.time()
        try:
            await child.start()
        except StartFailed as error:
            log.error("child.restart_failed", child=child.name, reason=str(error))
            continue
        log.warning("child.restarted", child=child.name, pid=child.pid)
        changed()
