"""The child: `python -m hodhod_server.processing.child`, one file, then it ends.

It reads its task from stdin, imports what the kind of file needs, locks itself in, and only then
parses. Its answers go to stdout, each with its length before it, the nature first: should the
rest kill it, what has to be blanked is known. What a decoder refuses ends it with `UNREADABLE`.
"""

from __future__ import annotations

import importlib
import struct
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from hodhod_server.processing import confinement, magic, metadata, priority
from hodhod_server.processing.contract import Answer, Details, Nature, Task
from hodhod_server.processing.source import DescriptorFile

LENGTH: Final = struct.Struct(">I")
UNREADABLE: Final = 1  # how Python ends after an exception that nobody caught
OUT_OF_MEMORY: Final = 3
UNLOCKED: Final = 4
_KINDS: Final = {
    "image/jpeg": "pictures",
    "image/png": "pictures",
    "image/gif": "pictures",
    "image/webp": "pictures",
    "image/avif": "pictures",
    "image/tiff": "pictures",
    "image/heic": "pictures",
    "video/mp4": "films",
    "video/quicktime": "films",
    "video/webm": "films",
    "video/x-matroska": "films",
    "video/x-msvideo": "films",
    "audio/mp4": "films",
    "audio/ogg": "films",
    "audio/flac": "films",
    "audio/mpeg": "films",
    "audio/aac": "films",
    "audio/amr": "films",
    "audio/wav": "films",
}


def main() -> int:
    """One task. Nothing of a hostile file's is ever printed."""
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    priority.keep_rank()
    confinement.limit(task.bounds)
    source = DescriptorFile(task.source)
    content_type = magic.shown_type(source.read_at(0, magic.SNIFFED_BYTES), task.claimed_type)
    look_at = _prepared(content_type)
    is_locked = confinement.lock()
    if task.requires_lock and not is_locked:
        return UNLOCKED
    try:
        patches = metadata.patches_of(source, content_type) if task.strips_metadata else []
        _answer(Nature(content_type=content_type, patches=patches, is_locked=is_locked))
        _answer(Details() if look_at is None else look_at(source, content_type, task))
    except MemoryError:
        return OUT_OF_MEMORY
    return 0


Look = Callable[[DescriptorFile, str, Task], Details]


def _prepared(content_type: str) -> Look | None:
    kind = _KINDS.get(content_type)
    if kind is None:
        return None
    module = importlib.import_module(f"hodhod_server.processing.{kind}")
    module.prepare(content_type)
    look_at: Look = module.look_at
    return look_at


def _answer(answer: Answer) -> None:
    encoded = msgspec.msgpack.encode(answer)
    sys.stdout.buffer.write(LENGTH.pack(len(encoded)) + encoded)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
