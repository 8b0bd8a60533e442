"""Sampling of a process from within, by its CPU time: put this folder on `PYTHONPATH` and set
`HODHOD_SAMPLES` to a folder for the results.

Python imports a module of this name at every start. Each millisecond of CPU the kernel interrupts
us and the stack is counted. That misses what happens in C between two lines of Python, which is
counted with the line that follows: fair enough for shares of steps, not for single lines.
"""

from __future__ import annotations

import collections
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

INTERVAL_S = 0.001
WRITE_EVERY_S = 0.5


def _sample(folder: Path) -> None:
    stacks: collections.Counter[str] = collections.Counter()

    def count(_: int, frame: FrameType | None) -> None:
        names = []
        while frame is not None:
            names.append(frame.f_code.co_qualname)
            frame = frame.f_back
        stacks[";".join(reversed(names))] += 1

    def write() -> None:
        """Now and again: a process that is ended has no time to."""
        own = folder / str(os.getpid())
        while True:
            time.sleep(WRITE_EVERY_S)
            lines = [f"{stack} {number}\n" for stack, number in stacks.copy().items()]
            own.with_suffix(".new").write_text("".join(lines))
            own.with_suffix(".new").replace(own)

    signal.signal(signal.SIGPROF, count)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
    threading.Thread(target=write, daemon=True).start()


if _folder := os.environ.get("HODHOD_SAMPLES"):
    _sample(Path(_folder))
