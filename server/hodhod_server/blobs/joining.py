"""Files joined to one, by the kernel: no byte passes through this process where it can be helped.

`copy_file_range` shares blocks on file systems that can (Btrfs, XFS), and elsewhere copies without
waking Python; where it does not exist the bytes are read and written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hodhod_server.blobs import folders
from hodhod_server.blobs.store import BlobMissing

STEP_BYTES: Final = 64 * 1024 * 1024
COPY_BYTES: Final = 1024 * 1024
_CANNOT: Final = frozenset({errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL})


def join(target: Path, sources: Sequence[Path]) -> None:
    """Durable when it returns. Raises `BlobMissing`, `OSError`; then there is no target."""
    folders.require(target.parent)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    try:
        for source in sources:
            _append(descriptor, source)
        os.fsync(descriptor)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
        folders.sync(target.parent)


def _append(descriptor: int, source: Path) -> None:
    try:
        part = os.open(source, os.O_RDONLY)
    except FileNotFoundError:
        raise BlobMissing from None
    try:
        while _copy(part, descriptor):
            pass
    finally:
        os.close(part)


def _copy(source: int, target: int) -> int:
    """Some bytes from here to there, both at their positions; 0 at the end."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, STEP_BYTES)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
    piece = os.read(source, COPY_BYTES)
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(target, rest) :]
    return len(piece)
