"""`hodhod up` as a real process, for tests that need a whole server or want to kill some of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from hodhod_loadtest.local_server import OPEN_DOOR
from hodhod_server.supervisor import Processes, RunningProcess, read_processes
from tests.engine_pool import temporary_data_dir

START_S: Final = 40.0
STOP_S: Final = 10.0
_POLL_S: Final = 0.03
_BYTECODE: Final = Path(__file__).parents[1] / "build" / "bytecode"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """For a `hodhod` process: no settings of ours, and bytecode kept between processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HODHOD")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONPYCACHEPREFIX": str(_BYTECODE), **(extra or {})}


def hodhod_command(
    *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hodhod_server", *arguments],
        env=environment(extra),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@dataclass(frozen=True)
class RunningUp:
    """A `hodhod up` that said it is ready."""

    process: subprocess.Popen[bytes]
    data_dir: Path

    @property
    def address(self) -> str:
        """`http://HOST:PORT` of the gateways."""
        return self.said_ready().removeprefix("ready ").strip()

    def said_ready(self) -> str:
        """Everything on stdout so far."""
        return (self.data_dir.parent / "up.stdout").read_text()

    def said(self) -> str:
        """Everything on stderr so far."""
        return (self.data_dir.parent / "up.stderr").read_text()

    def processes(self) -> Processes:
        return read_processes(self.data_dir)

    def find(self, name: str) -> RunningProcess:
        """A process by its name, such as `gateway-0`, as of now."""
        return next(process for process in self.processes().processes if process.name == name)

    def role_address(self, name: str) -> str:
        """`http://HOST:PORT` of one role's own socket."""
        return f"http://127.0.0.1:{self.find(name).port}"

    def tree(self) -> list[psutil.Process]:
        """The process and all below it."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def stop(self) -> float:
        """SIGTERM; the seconds until it was gone."""
        started = time.monotonic()
        self.process.terminate()
        self.process.wait(STOP_S + 5)
        return time.monotonic() - started


def launch_up(
    data_dir: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `hodhod up` on free ports; what it says goes to files beside the data dir."""
    command = [sys.executable, "-m", "hodhod_server", "up", "--port", "0"]
    with (
        (data_dir.parent / "up.stdout").open("wb") as stdout,
        (data_dir.parent / "up.stderr").open("wb") as stderr,
    ):
        return subprocess.Popen(
            [*command, "--data-dir", str(data_dir), *arguments],
            env=environment(extra),
            stdout=stdout,
            stderr=stderr,
        )


def start_up(data_dir: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> RunningUp:
    """Start `hodhod up` and wait for its ready line."""
    process = launch_up(data_dir, *arguments, extra=extra)
    running = RunningUp(process, data_dir)
    try:
        wait_until(lambda: process.poll() is not None or "\n" in running.said_ready(), START_S)
    except AssertionError:
        running.stop()
        raise
    assert process.returncode is None, running.said()
    return running


@contextlib.contextmanager
def running_up(*arguments: str, extra: Mapping[str, str] | None = None) -> Iterator[RunningUp]:
    """A whole server on a data dir of its own, while the block runs."""
    with temporary_data_dir() as data_dir:
        running = start_up(data_dir, *arguments, extra={**OPEN_DOOR, **(extra or {})})
        try:
            yield running
        finally:
            running.stop()


def wait_until(is_so: Callable[[], bool], seconds: float = 15.0) -> None:
    """Look again and again until it is so; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(_POLL_S)


def is_gone(process: psutil.Process) -> bool:
    """Neither running nor waiting to be reaped by us."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def get_status(url: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0
