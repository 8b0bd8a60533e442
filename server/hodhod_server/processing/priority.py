"""Who waits when cores are short: whatever handles files gives way to whatever carries messages.

Niceness says so. Linux weighs whole sessions against one another where it groups by them, and
niceness only within; each of our processes has a session of its own, which is told as well.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

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


def keep_rank() -> None:
    """A session that has just begun starts without the niceness of its only process."""
    give_way(os.getpriority(os.PRIO_PROCESS, 0))
