"""What a child is told and what it answers: the only words that pass between it and the worker.

An answer comes from a process that read hostile bytes, so it is data and nothing else: decoded with
types and bounds, its lengths checked against the files themselves.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

PIXELS_SIDE_MAX: Final = 1_000_000
PATCHES_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 4 * 1024**2  # patches included; a JPEG segment has 64 KiB

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]{1,16}$")]
MediaType = Annotated[str, Meta(pattern=r"^[a-z]+/[a-z0-9.+-]+$", max_length=127)]
Pixels = Annotated[int, Meta(ge=1, le=PIXELS_SIDE_MAX)]
DurationMs = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Copy(StrEnum):
    """What can be derived from a file. Each is a member of its media at `/v1/media/{id}/{copy}`."""

    THUMB = "thumb"
    POSTER = "poster"
    PLAY = "play"
    P480 = "480p"
    P240 = "240p"
    VOICE = "voice"


FILM_HEIGHTS: Final = {Copy.P480: 480, Copy.P240: 240}


class Bounds(Struct, frozen=True, kw_only=True):
    """What a child may use; more ends it."""

    cpu_s: int
    memory_bytes: int
    output_bytes: int
    pixels: int


class Task(Struct, frozen=True, kw_only=True):
    """A file to look at. `outputs` are descriptors of empty files for what may be derived."""

    source: int
    scratch: int
    outputs: dict[Copy, int]
    claimed_type: str
    bounds: Bounds
    thumb_px: int
    voice_s: int
    requires_lock: bool
    strips_metadata: bool


class TooMuchMetadata(Exception):
    """More parts than a camera writes: the file is not shown to anybody."""


class Patch(Struct, frozen=True, kw_only=True):
    """Bytes to be written over those at `offset`; a file never changes its length."""

    offset: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    data: bytes


class Nature(Struct, frozen=True, kw_only=True, tag=True):
    """The first answer: what the file is, and what has to be blanked before anybody sees it."""

    content_type: MediaType
    patches: Annotated[list[Patch], Meta(max_length=PATCHES_MAX)] = []
    is_locked: bool = True


class Derived(Struct, frozen=True, kw_only=True):
    """A copy that was written to its output."""

    copy: Copy
    content_type: MediaType
    width: Pixels | None = None
    height: Pixels | None = None
    duration_ms: DurationMs | None = None


class Details(Struct, frozen=True, kw_only=True, tag=True):
    """The second answer: what can be told of it. `problem` where it could not be read."""

    width: Pixels | None = None
    height: Pixels | None = None
    duration_ms: DurationMs | None = None
    blur: Annotated[str, Meta(max_length=128)] = ""
    waveform: Annotated[str, Meta(max_length=256)] = ""
    codecs: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=8)] = []
    derived: Annotated[list[Derived], Meta(max_length=8)] = []
    problem: Annotated[str, Meta(max_length=64)] = ""


Answer = Nature | Details
