"""Folders whose entries are durable: a file that survives a power cut needs its name, too."""

from __future__ import annotations

import os
from pathlib import Path


def require(path: Path) -> None:
    """Make the folder if need be; it is durable when this returns."""
    path.mkdir(exist_ok=True)
    sync(path.parent)  # also when another process made the folder a moment ago


def sync(path: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
