"""Who waits when cores are short: whatever handles files gives way to whatever carries messages.

Niceness says who gets how much. Linux weighs whole sessions against one another where it groups by
them, and niceness only within; each of our processes has a session of its own, which is told too.

The length of a turn says who goes first: since Linux 6.12 a process that wakes with a short turn
need not wait until one with a longer turn has used it up (EEVDF; sched(7), sched_setattr(2)). A
message needs less than 0.1 ms in all processes together, a sign-up 1.5 ms in one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from pathlib import Path
from typing import Final

SHORT_TURN_NS: Final = 100_000  # the least that Linux allows; a usual one has 1.4 to 3 ms
USUAL_TURN_NS: Final = 0  # Linux's own default
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""Numbers of the system call: C libraries before glibc 2.41 have no function for it."""

_KEEP_POLICY: Final = 8
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
_GROUP: Final = Path("/proc/self/autogroup")


def give_way(niceness: int) -> None:
    """From now on, also for threads and processes started later. There is no way back."""
    if not niceness:
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _GROUP.write_text(str(niceness))


def set_turn(turn_ns: int) -> None:
    """How long this thread's turns are, and those of what it starts; does nothing where unknown."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or platform.system() != "Linux":
        return
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    told = _ATTRIBUTES.pack(_ATTRIBUTES.size, 0, _KEEP_POLICY, niceness, 0, turn_ns, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, told, 0)


def keep_rank() -> None:
    """A session that has just begun starts without the niceness of its only process."""
    give_way(os.getpriority(os.PRIO_PROCESS, 0))
