"""What the headers of tus 1.0.0 say, read and written.

Lengths are told when an upload is created, or later (`Upload-Defer-Length`); a final upload has
that of its parts. Addresses of parts may be relative or absolute, as clients know them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from multidict import CIMultiDictProxy

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.ids import MediaId
from hodhod_server.media import metadata
from hodhod_server.services.upload_checksums import ALGORITHMS
from hodhod_server.services.uploads import Checksum, NewUpload, Upload
from hodhod_wire.limits import ID_MAX

PARTS_MAX: Final = 64
_NUMBER: Final = re.compile(r"[0-9]{1,16}")
_PART: Final = re.compile(r"(?:https?://[^/ ]+)?(?:/[^/ ?#]+)*/v1/uploads/([A-Za-z0-9_-]{22,43})")

__all__ = ["ALGORITHMS", "announced", "checksum", "described", "late_length", "number"]


def announced(headers: CIMultiDictProxy[str]) -> NewUpload:
    """What a creation announces. Raises `Malformed`."""
    header = ",".join(headers.getall("Upload-Metadata", []))
    description = metadata.describe(header)
    concat = headers.get("Upload-Concat")
    parts = _parts(concat)
    return NewUpload(
        length_bytes=_length(headers, is_final=bool(parts)),
        name=description.name,
        content_type=description.content_type,
        metadata=header,
        is_partial=concat == "partial",
        concat=concat,
        parts=parts,
    )


def described(upload: Upload) -> dict[str, str]:
    """What `HEAD` tells beside the offset."""
    headers = {}
    if upload.length_bytes is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.length_bytes)
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    if upload.concat is not None:
        headers["Upload-Concat"] = upload.concat
    return headers


def checksum(headers: Mapping[str, str]) -> Checksum | None:
    """What `Upload-Checksum` promises. Raises `Malformed`, also for another algorithm."""
    header = headers.get("Upload-Checksum")
    if header is None:
        return None
    algorithm, _, encoded = header.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Malformed(f"Upload-Checksum is by none of {', '.join(ALGORITHMS)}")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise Malformed("Upload-Checksum is not base64") from None
    if len(digest) != len(ALGORITHMS[algorithm]().digest()):
        raise Malformed("Upload-Checksum has another length than its algorithm gives")
    return Checksum(algorithm, digest)


def late_length(request: web.Request) -> int | None:
    """The length of the upload, where a `PATCH` tells it. Raises `Malformed`."""
    if request.method == "POST" and "X-HTTP-Method-Override" not in request.headers:
        return None  # a creation told it already
    return number(request.headers, "Upload-Length") if "Upload-Length" in request.headers else None


def number(headers: Mapping[str, str], name: str) -> int:
    """Raises `Malformed`."""
    text = headers.get(name, "")
    if _NUMBER.fullmatch(text) and (value := int(text)) <= ID_MAX:
        return value
    raise Malformed(f"{name} is missing or not a number")


def _length(headers: Mapping[str, str], *, is_final: bool) -> int | None:
    if is_final:
        if "Upload-Length" in headers or "Upload-Defer-Length" in headers:
            raise Malformed("a final upload is as long as its parts: send no length")
        return None
    if "Upload-Defer-Length" not in headers:
        return number(headers, "Upload-Length")
    if headers["Upload-Defer-Length"] != "1" or "Upload-Length" in headers:
        raise Malformed("Upload-Defer-Length is 1 and comes instead of Upload-Length")
    return None


def _parts(concat: str | None) -> tuple[MediaId, ...]:
    """The parts of a final upload. Raises `Malformed`."""
    if concat is None or concat == "partial":
        return ()
    kind, _, addresses = concat.partition(";")
    if kind.strip() != "final":
        raise Malformed("Upload-Concat is `partial`, or `final;` and the addresses of parts")
    matches = [_PART.fullmatch(address) for address in addresses.split()]
    parts = tuple(MediaId(match[1]) for match in matches if match is not None)
    if not 1 <= len(parts) <= PARTS_MAX or len(parts) != len(matches):
        raise Malformed(f"Upload-Concat names 1 to {PARTS_MAX} partial uploads of this server")
    return parts
