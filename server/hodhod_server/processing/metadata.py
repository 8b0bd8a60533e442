"""Where and with what a photo was taken, found in the file and blanked without touching a pixel.

Lossless and in place: a file keeps its length, so that messages which name its size stay true. EXIF
becomes a block that holds the orientation and zeros; XMP and the like become padding that readers
skip. In HEIC, AVIF and TIFF, whose parts point at one another, the GPS directory is blanked where
it lies and the rest stays.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from hodhod_server.processing import gif
from hodhod_server.processing.contract import PATCHES_MAX, Patch, TooMuchMetadata
from hodhod_server.processing.source import DescriptorFile

_TIFF: Final = re.compile(rb"II\*\x00|MM\x00\*")
_EXIF: Final = b"Exif\x00\x00"
_ORIENTATION: Final = 0x0112
_GPS: Final = 0x8825
_ENTRY_BYTES: Final = 12
_ENTRIES_MAX: Final = 512
_SCANNED_BYTES: Final = 8 * 1024**2  # of a HEIC: its directory comes first
_XMP: Final = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)
_LATER: Final = re.compile(rb"\xff\xe1(..)(?:Exif\x00\x00|http://ns.adobe)", re.DOTALL)
_PART_BYTES_MAX: Final = 1024**2
_PNG_TEXTS: Final = {b"tEXt", b"zTXt", b"iTXt", b"eXIf"}
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_JPEG_BLANKED: Final = frozenset({0xE1, 0xED})  # EXIF and XMP; Photoshop's IPTC
_JPEG_COMMENT: Final = b"\xff\xfe"
_SIZE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


def patches_of(source: DescriptorFile, content_type: str) -> list[Patch]:
    """What has to be written over the file. Raises `TooMuchMetadata`."""
    finders = {
        "image/jpeg": _jpeg,
        "image/png": _png,
        "image/gif": gif.patches,
        "image/webp": _webp,
        "image/heic": _scanned,
        "image/avif": _scanned,
        "image/tiff": _scanned,
    }
    finder = finders.get(content_type)
    found = [] if finder is None else list(_bounded(finder(source)))
    return [patch for patch in found if _changes(source, patch)]


def _bounded(patches: Iterator[Patch]) -> Iterator[Patch]:
    for count, patch in enumerate(patches):
        if count == PATCHES_MAX:
            raise TooMuchMetadata
        yield patch


def _changes(source: DescriptorFile, patch: Patch) -> bool:
    return source.read_at(patch.offset, len(patch.data)) != patch.data


def _jpeg(source: DescriptorFile) -> Iterator[Patch]:
    """The segments before the picture. EXIF stays a segment, the others become comments."""
    offset = 2
    while True:
        head = source.read_at(offset, 4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        if head[1] == 0xFF or head[1] in _JPEG_BARE:
            offset += 1 if head[1] == 0xFF else 2
            continue
        if head[1] == 0xDA:
            yield from _after_picture(source, offset)
            return
        length = struct.unpack(">H", head[2:])[0]
        if head[1] in _JPEG_BLANKED and length >= 2:
            content = source.read_at(offset + 4, length - 2)
            yield _blanked_segment(offset, content)
        offset += 2 + max(length, 2)


def _blanked_segment(offset: int, content: bytes) -> Patch:
    if content.startswith(_EXIF) and len(content) >= len(_EXIF) + 26:
        tiff = _only_orientation(content[len(_EXIF) :])
        return Patch(offset=offset + 4, data=_EXIF + tiff)
    length = struct.pack(">H", len(content) + 2)
    return Patch(offset=offset, data=_JPEG_COMMENT + length + bytes(len(content)))


def _after_picture(source: DescriptorFile, start: int) -> Iterator[Patch]:
    """A second picture behind the first (MPF) has its own EXIF, and phones put XMP there."""
    offset, overlap = start, 64
    while piece := source.read_at(offset, 1024**2):
        for match in _LATER.finditer(piece):
            at = offset + match.start()
            length = struct.unpack(">H", match[1])[0]
            content = source.read_at(at + 4, max(length - 2, 0))
            if content:
                yield _blanked_segment(at, content)
        if len(piece) < 1024**2:
            return
        offset += len(piece) - overlap


def _png(source: DescriptorFile) -> Iterator[Patch]:
    """Texts become a private chunk that readers skip; EXIF keeps its orientation."""
    offset = 8
    while len(head := source.read_at(offset, 8)) == 8:
        length, kind = struct.unpack(">I", head[:4])[0], head[4:]
        if kind in _PNG_TEXTS:
            if length > _PART_BYTES_MAX:
                raise TooMuchMetadata
            content = source.read_at(offset + 8, length)
            blank = _only_orientation(content) if kind == b"eXIf" else bytes(len(content))
            kind = kind if kind == b"eXIf" else b"hoBl"
            check = struct.pack(">I", zlib.crc32(kind + blank))
            yield Patch(offset=offset + 4, data=kind + blank + check)
        if kind == b"IEND":
            return
        offset += 12 + length


def _webp(source: DescriptorFile) -> Iterator[Patch]:
    offset = 12
    while len(head := source.read_at(offset, 8)) == 8:
        kind, length = head[:4], struct.unpack("<I", head[4:])[0]
        if kind in (b"EXIF", b"XMP "):
            if length > _PART_BYTES_MAX:
                raise TooMuchMetadata
            content = source.read_at(offset + 8, length)
            skip = len(_EXIF) if content.startswith(_EXIF) else 0
            is_exif = kind == b"EXIF"
            blank = _only_orientation(content[skip:]) if is_exif else b" " * len(content)
            yield Patch(offset=offset + 8 + skip, data=blank)
        offset += 8 + length + length % 2


def _only_orientation(tiff: bytes) -> bytes:
    """A TIFF block of the same length that holds the orientation and nothing else."""
    turned = _orientation(tiff)
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, turned, 0)
    block = b"MM\x00*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return block + bytes(len(tiff) - len(block)) if len(tiff) >= len(block) else bytes(len(tiff))


def _orientation(tiff: bytes) -> int:
    for tag, kind, _, value, order in _entries(tiff, 4):
        if tag == _ORIENTATION and kind == 3:
            turned = struct.unpack(f"{order}H", tiff[value : value + 2])[0]
            return turned if 1 <= turned <= 8 else 1
    return 1


def _entries(tiff: bytes, pointer_at: int) -> Iterator[tuple[int, int, int, int, str]]:
    """Tag, kind, count, where its value begins, and the byte order: of one directory."""
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, pointer_at)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for index in range(min(count, _ENTRIES_MAX)):
            at = start + 2 + index * _ENTRY_BYTES
            tag, kind, many = struct.unpack_from(f"{order}HHI", tiff, at)
            yield tag, kind, many, at + 8, order
    except struct.error:
        return


def _scanned(source: DescriptorFile) -> Iterator[Patch]:
    """Every block that could be EXIF, wherever it lies, and every XMP packet."""
    head = source.read_at(0, _SCANNED_BYTES)
    for match in _TIFF.finditer(head):
        yield from _gps_blanked(head[match.start() :], match.start())
    for match in _XMP.finditer(head):
        yield Patch(offset=match.start(), data=b" " * (match.end() - match.start()))


def _gps_blanked(tiff: bytes, offset: int) -> Iterator[Patch]:
    for tag, _, _, pointer_at, order in _entries(tiff, 4):
        if tag != _GPS:
            continue
        for _, kind, many, value_at, _ in _entries(tiff, pointer_at):
            length = _SIZE_BYTES.get(kind, 1) * many
            if 4 < length <= len(tiff):
                (value,) = struct.unpack_from(f"{order}I", tiff, value_at)
                yield Patch(offset=offset + value, data=bytes(length))
            yield Patch(offset=offset + value_at - 8, data=bytes(_ENTRY_BYTES))
