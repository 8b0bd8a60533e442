"""`kill -9` of one process of a private server; its supervisor starts another.

Always true: only a process that the server's own `processes.json` names is killed.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hodhod_server.supervisor import read_processes


def find_pid(data_dir: Path, name: str) -> int:
    """The process of this name, such as `signup` or `postgres`; of a role with several, one."""
    processes = read_processes(data_dir).processes
    return next(process.pid for process in processes if name in (process.name, process.role))


def kill(data_dir: Path, name: str) -> int:
    """Kill the process of this name; the pid it had."""
    pid = find_pid(data_dir, name)
    os.kill(pid, signal.SIGKILL)
    return pid
