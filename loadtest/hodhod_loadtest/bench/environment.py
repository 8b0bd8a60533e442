"""Where figures were taken: without it they cannot be compared."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MODEL: Final = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def environment() -> dict[str, object]:
    """The code, the machine, and how busy that was before we began."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "is_changed_since_commit": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2,
        "python": platform.python_version(),
        "python_is_a_shared_library": _is_a_shared_library(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def _is_a_shared_library() -> bool:
    """It tells two common builds apart, of which one takes a fifth more CPU (how-to/measure.md)."""
    try:
        return "libpython" in Path("/proc/self/maps").read_text()
    except FileNotFoundError:
        return False


def _git(*arguments: str) -> str | None:
    """What git says of this checkout; `None` outside of one."""
    command: Sequence[str] = ("git", "-C", str(Path(__file__).parent), *arguments)
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_model() -> str:
    """Processors without a name there (arm64) go by their architecture."""
    try:
        match = _MODEL.search(Path("/proc/cpuinfo").read_text())
    except FileNotFoundError:
        match = None
    return match[1].strip() if match else platform.machine()
