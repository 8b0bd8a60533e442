"""Tests that need a program of the operating system say which package has it.

On a developer's machine without the package they are skipped, with its name; where
`SYSTEM_PACKAGES_REQUIRED` is set, as in CI, they fail instead, so that nothing is skipped unseen.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

PROGRAMS: Final = {
    "kannel": ("bearerbox", "smsbox"),
    "nginx-light": ("nginx",),
    "nodejs": ("node",),
    "npm": ("npm",),
    "clamav-daemon": ("clamd",),
    "chromium": ("chromium",),
}
"""Package → the programs that prove it is there. `.ci/run` installs these packages."""

REQUIRED_VARIABLE: Final = "SYSTEM_PACKAGES_REQUIRED"
_PLACES: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> Path:
    """Where a program is; daemons are not in everybody's PATH."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        raise FileNotFoundError(name)
    return Path(found)


def require_package(package: str) -> None:
    """Skip, or fail where packages are required, unless its programs are there."""
    missing = [name for name in PROGRAMS[package] if shutil.which(name, path=_PLACES) is None]
    if not missing:
        return
    reason = f"needs the system package {package} ({', '.join(missing)} not found)"
    if os.environ.get(REQUIRED_VARIABLE):
        pytest.fail(reason)
    pytest.skip(reason)
