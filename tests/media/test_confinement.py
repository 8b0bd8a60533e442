"""What processes that handle files may not do, tried from inside, and for whom they make room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

INTRUDER: Final = """
import ctypes, fcntl, os, socket, subprocess, sys
from hodhod_server.processing import confinement

folder = sys.argv[1]
held = os.open(folder + "/old", os.O_RDONLY)
line, _ = socket.socketpair()
libc = ctypes.CDLL(None, use_errno=True)
assert confinement.lock()


def system_call(*numbers):
    if libc.syscall(*numbers) < 0:
        raise OSError(ctypes.get_errno(), "refused")


tries = {
    "socket": socket.socket,
    "pair of sockets": socket.socketpair,
    "connecting": lambda: line.connect("/nowhere"),
    "sending": lambda: line.sendto(b"x", "/nowhere"),
    "reading": lambda: open("/etc/hostname"),
    "writing": lambda: open(folder + "/new", "w"),
    "program": lambda: os.execv(sys.executable, [sys.executable]),
    "child": lambda: subprocess.run([sys.executable, "-c", ""]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "deleting": lambda: os.unlink(folder + "/old"),
    "renaming": lambda: os.rename(folder + "/old", folder + "/mine"),
    "linking": lambda: os.link(folder + "/old", folder + "/mine"),
    "mode": lambda: os.fchmod(held, 0),
    "owner": lambda: os.fchown(held, 1, 1),
    "age": lambda: os.utime(held),
    "attributes": lambda: os.setxattr(held, "user.mine", b"x"),
    "lock": lambda: fcntl.flock(held, fcntl.LOCK_EX),
    "folder": lambda: os.mkdir(folder + "/mine"),
    "another's memory": lambda: system_call(confinement._REFUSED["process_vm_readv"][COLUMN], 1),
    "ring": lambda: system_call(confinement._REFUSED["io_uring_setup"][COLUMN], 1, 0),
}
for name, attempt in tries.items():
    try:
        attempt()
    except PermissionError:
        continue
    except OSError as error:
        print(name, error)
    else:
        print(name, "was allowed")
assert os.pread(held, 4, 0) == b"file", "what it holds it may read"
print("the end")
"""


RANK: Final = """
import os
from pathlib import Path
from hodhod_server.processing import priority

priority.give_way(7)
group = Path("/proc/self/autogroup")
print(os.getpriority(os.PRIO_PROCESS, 0), *group.read_text().split()[1:] if group.exists() else ())
"""


def test_what_handles_files_gives_way_also_between_sessions() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RANK],
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.split() in (["7"], ["7", "nice", "7"])


@pytest.mark.skipif(sys.platform != "linux", reason="the lock is Linux's")
def test_whoever_takes_over_a_child_opens_starts_and_reaches_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("file")
    intruder = INTRUDER.replace("COLUMN", "confinement._COLUMNS[os.uname().machine][0]")
    ran = subprocess.run(
        [sys.executable, "-I", "-c", intruder, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("the end\n", "", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
