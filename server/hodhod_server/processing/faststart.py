"""The directory of an MP4 (`moov`) to the front, so that it plays while it comes.

A player can begin only when it has the directory, and writers put it at the end. Moving it shifts
every sample, so the tables of their places (`stco`, `co64`) are rewritten. Used on files that this
child wrote itself; on strangers' files only the order of the outermost boxes is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from hodhod_server.processing.source import DescriptorFile

DIRECTORY_BYTES_MAX: Final = 64 * 1024**2
BOXES_MAX: Final = 10_000
COPY_BYTES: Final = 1024**2
_HOLDERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_DEPTH_MAX: Final = 8


class Box(NamedTuple):
    """A box and where it lies, its header included."""

    kind: bytes
    start: int
    length: int
    header: int


def is_fast(source: DescriptorFile) -> bool:
    """Does the directory come before the samples?"""
    for box in _boxes(source):
        if box.kind in (b"moov", b"moof"):
            return True
        if box.kind == b"mdat":
            return False
    return False


def make_fast(source: DescriptorFile, target: DescriptorFile) -> int:
    """Write the film with its directory first; how long it became. 0 where it has none to move."""
    boxes = list(_boxes(source))
    directory = next((box for box in boxes if box.kind == b"moov"), None)
    if directory is None or directory.length > DIRECTORY_BYTES_MAX:
        return 0
    first = next((box.start for box in boxes if box.kind == b"mdat"), directory.start)
    moved = bytearray(source.read_at(directory.start, directory.length))
    if directory.start > first:
        _shift(moved, 0, len(moved), len(moved), 0)
    written = 0
    for box in sorted(boxes, key=lambda box: (box.kind != b"ftyp", box.kind != b"moov", box.start)):
        if box is directory:
            written += target.write(moved)
        else:
            written += _copy(source, target, box)
    return written


def _boxes(source: DescriptorFile) -> Iterator[Box]:
    offset, end = 0, source.size_bytes
    for _ in range(BOXES_MAX):
        head = source.read_at(offset, 16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        header = 8
        if length == 1 and len(head) == 16:
            (length,), header = struct.unpack(">Q", head[8:]), 16
        length = end - offset if length == 0 else length
        if length < header or offset + length > end:
            return
        yield Box(kind, offset, length, header)
        offset += length


def _shift(data: bytearray, start: int, stop: int, by: int, depth: int) -> None:
    """Add `by` to the place of every chunk named between `start` and `stop`."""
    while start + 8 <= stop and depth < _DEPTH_MAX:
        length, kind = struct.unpack_from(">I4s", data, start)
        if length < 8:
            return
        end = min(start + length, stop)
        if kind in _HOLDERS:
            _shift(data, start + 8, end, by, depth + 1)
        elif kind in (b"stco", b"co64"):
            _shift_table(data, start + 16, end, by, "I" if kind == b"stco" else "Q")
        start = end


def _shift_table(data: bytearray, start: int, stop: int, by: int, shape: str) -> None:
    (count,) = struct.unpack_from(">I", data, start - 4)
    count = min(count, (stop - start) // struct.calcsize(shape))
    places = struct.unpack_from(f">{count}{shape}", data, start)
    struct.pack_into(f">{count}{shape}", data, start, *(place + by for place in places))


def _copy(source: DescriptorFile, target: DescriptorFile, box: Box) -> int:
    offset, stop = box.start, box.start + box.length
    while offset < stop:
        piece = source.read_at(offset, min(COPY_BYTES, stop - offset))
        if not piece:
            raise OSError("the file ends early")
        rest = memoryview(piece)
        while rest:
            rest = rest[target.write(rest) :]
        offset += len(piece)
    return box.length
