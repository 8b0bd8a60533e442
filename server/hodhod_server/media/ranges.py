"""Ranges and conditions of a request for a file that never changes (RFC 9110, sections 13 and 14).

A `Range` that is not one range of bytes is ignored, as the standard allows, and the whole file is
the answer; so is one whose `If-Range` names another file. aiohttp's `FileResponse` refuses the
first and does not know an entity tag in the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Final, NamedTuple

from aiohttp import web

from hodhod_server.domain.errors import RangeNotSatisfiable

_ONE_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.I)
ANY: Final = "*"


class Version(NamedTuple):
    """What tells one file from another: the id, because its bytes never change."""

    tag: str
    finished_at: datetime

    @property
    def headers(self) -> dict[str, str]:
        return {"ETag": f'"{self.tag}"', "Last-Modified": self._date}

    @property
    def _date(self) -> str:
        return format_datetime(self.finished_at, usegmt=True)

    def is_meant_by(self, if_range: str | None) -> bool:
        """Does `If-Range` allow a part to be sent?"""
        return if_range is None or if_range.strip() in {f'"{self.tag}"', self._date}


class Window(NamedTuple):
    """The bytes from `start` up to `stop`."""

    start: int
    stop: int


def is_unchanged(request: web.Request, version: Version) -> bool:
    """Does the client have this file already? (`If-None-Match` wins over `If-Modified-Since`.)"""
    tags = request.if_none_match
    if tags is not None:
        return any(tag.value in {ANY, version.tag} for tag in tags)
    since = request.if_modified_since
    return since is not None and version.finished_at.replace(microsecond=0) <= since


def chosen(headers: Mapping[str, str], version: Version, size_bytes: int) -> Window | None:
    """The one range asked for, or `None` for the whole file. Raises `RangeNotSatisfiable`."""
    match = _ONE_RANGE.fullmatch(headers.get("Range", ""))
    if match is None or not version.is_meant_by(headers.get("If-Range")):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        window = Window(max(0, size_bytes - int(last)), size_bytes)
    elif last and int(last) < int(first):
        return None
    else:
        window = Window(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
    if window.start >= size_bytes:
        raise RangeNotSatisfiable(size=size_bytes)
    return window
