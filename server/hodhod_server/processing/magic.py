"""What a file is by its first bytes: constant comparisons, no parsing.

The name and the claimed type never decide what is shown, only between kinds that look alike. A
type is known here when a browser may be shown it; everything else is a download.
"""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 64
OCTETS: Final = "application/octet-stream"
PLAIN: Final = "text/plain"
SNIFFED_BYTES: Final = 4096

_STARTS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"#!AMR", "audio/amr"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
PHOTOS: Final = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/tiff",
        "image/avif",
        "image/heic",
    }
)
"""Kinds that can carry where they were taken; nobody gets one before that is blanked."""


def type_of(head: bytes) -> str:
    """The media type of what begins so, `OCTETS` where nothing is known."""
    for start, content_type in _STARTS:
        if head.startswith(start):
            return content_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], OCTETS)
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return OCTETS


def _by_brand(head: bytes) -> str:
    """A picture may begin with the brand of all of its family, and name its own behind it."""
    if head[8:12] == b"mif1" and b"avif" in head[16 : int.from_bytes(head[:4])]:
        return "image/avif"
    return _BRANDS.get(head[8:12], "video/mp4")


def is_text(head: bytes) -> bool:
    """UTF-8 without controls; a character cut off at the end is forgiven."""
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode()
    return not any(character < " " and character not in "\t\r\n\f" for character in text)


def shown_type(head: bytes, claimed: str) -> str:
    """What the file is served as. A claim counts only where it can do nothing."""
    known = type_of(head)
    if known != OCTETS:
        return known
    kind = claimed.partition("/")[0]
    if kind in ("image", "audio", "video") or claimed == PLAIN:
        return PLAIN if claimed == PLAIN and is_text(head) else OCTETS
    return claimed or OCTETS
