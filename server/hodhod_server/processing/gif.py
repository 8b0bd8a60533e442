"""What a GIF says beside its pictures: comments and XMP, found and blanked where they lie.

An extension is blocks of up to 255 bytes, each with its length before it. XMP stands there without
lengths; the 258 bytes behind it lead whoever takes letters for lengths to its end, and stay. How
often to repeat, and everything that is drawn, stays, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hodhod_server.processing.contract import Patch, TooMuchMetadata
from hodhod_server.processing.source import DescriptorFile

_SCREEN_BYTES: Final = 13
_EXTENSION: Final = b"\x21"
_COMMENT: Final = b"\x21\xfe"
_XMP: Final = b"\x21\xff\x0bXMP DataXMP"
_PICTURE: Final = b"\x2c"
_PICTURE_BYTES: Final = 10
_WAY_OUT: Final = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
_PART_BYTES_MAX: Final = 1024**2


def patches(source: DescriptorFile) -> Iterator[Patch]:
    """What has to be written over the file. Raises `TooMuchMetadata`."""
    offset = _SCREEN_BYTES + _table_bytes(source.read_at(10, 1))
    while head := source.read_at(offset, len(_XMP)):
        if head[:1] == _PICTURE and len(head) > _PICTURE_BYTES:
            codes = offset + _PICTURE_BYTES + _table_bytes(head[9:10])
            offset = _end(source, codes + 1)
        elif head.startswith(_COMMENT) or head == _XMP:
            start = offset + len(_COMMENT if head.startswith(_COMMENT) else _XMP)
            offset = _end(source, start)
            yield Patch(offset=start, data=_blank(source, start, offset))
        elif head[:1] == _EXTENSION:
            offset = _end(source, offset + 2)
        else:
            return


def _table_bytes(flags: bytes) -> int:
    """How long the table of colours is that these flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _end(source: DescriptorFile, offset: int) -> int:
    """Behind the blocks that begin here."""
    while (length := source.read_at(offset, 1)) > b"\x00":
        offset += 1 + length[0]
    return offset + 1


def _blank(source: DescriptorFile, start: int, stop: int) -> bytes:
    if stop - start > _PART_BYTES_MAX:
        raise TooMuchMetadata
    content = source.read_at(start, stop - start)
    if content.endswith(_WAY_OUT):
        return b" " * (len(content) - len(_WAY_OUT)) + _WAY_OUT
    blank, offset = bytearray(content), 0
    while offset < len(content) and (length := content[offset]):
        end = min(offset + 1 + length, len(content))
        blank[offset + 1 : end] = b" " * (end - offset - 1)
        offset = end
    return bytes(blank)
