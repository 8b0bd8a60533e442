"""`Upload-Metadata` (tus 1.0.0, creation): pairs of a key and a value in base64.

We read `filename` and `filetype`, which is what tus clients send, and `name` and `type`, which some
send beside or instead. The rest is kept and given back, never looked at. A file name is for people:
it keeps every letter, but no folder, no control character, and nothing that reverses the direction
of text to make `exe.jpg` of `gpj.exe`.
"""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple

from hodhod_server.domain.errors import Malformed
from hodhod_wire.limits import FILE_NAME_CHARS_MAX

HEADER_CHARS_MAX: Final = 4096  # a name of 255 four-byte letters in base64, and as much again
DEFAULT_NAME: Final = "file"
DEFAULT_TYPE: Final = "application/octet-stream"
_KEY: Final = re.compile(r"[!-+\--~]+")  # visible ASCII without the comma
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,63}/[a-z0-9!#$&^_.+-]{1,63}")
_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")


class Description(NamedTuple):
    """What the metadata says about the file."""

    name: str
    content_type: str


def describe(header: str) -> Description:
    """Raises `Malformed` for a header that is not as tus wants it, or a type that is none."""
    pairs = _pairs(header)
    name = _text(pairs.get("filename") or pairs.get("name") or b"")
    content_type = _text(pairs.get("filetype") or pairs.get("type") or b"")
    return described(name, content_type)


def described(name: str, content_type: str) -> Description:
    """Both as they are kept. Raises `Malformed` for a type that is none."""
    return Description(_clean_name(name), _clean_type(content_type))


def _pairs(header: str) -> dict[str, bytes]:
    if len(header) > HEADER_CHARS_MAX:
        raise Malformed(f"Upload-Metadata has more than {HEADER_CHARS_MAX} characters")
    pairs: dict[str, bytes] = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in pairs:
            raise Malformed("Upload-Metadata has a key that is empty, not ASCII, or there twice")
        try:
            pairs[key] = base64.b64decode(value, validate=True)
        except ValueError:
            raise Malformed("Upload-Metadata has a value that is not base64") from None
    return pairs


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed("Upload-Metadata has a name or a type that is not UTF-8") from None


def _clean_name(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    visible = _INVISIBLE.sub("", last).strip()
    if len(visible) > FILE_NAME_CHARS_MAX:
        stem, dot, extension = visible.rpartition(".")
        tail = dot + extension if stem and len(extension) <= 16 else ""
        visible = visible[: FILE_NAME_CHARS_MAX - len(tail)] + tail
    return DEFAULT_NAME if visible in {"", ".", ".."} else visible


def _clean_type(content_type: str) -> str:
    """The type alone: parameters say nothing that a reader may rely on."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _TYPE.fullmatch(kind):
        raise Malformed("Upload-Metadata has a filetype that is no media type")
    return kind or DEFAULT_TYPE
