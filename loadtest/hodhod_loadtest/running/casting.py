"""What the process of those who are inside is told, and tells: one JSON object a line. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from hodhod_loadtest.bench.people import Person

Point = tuple[float, float]


class ChatPart(Struct, frozen=True, kw_only=True):
    """A chat and those who are in it; the first one writes."""

    chat: int
    people: list[Person]


class Uploading(Struct, frozen=True, kw_only=True):
    """Who sends files, and how."""

    media_url: str
    tokens: list[str]
    bytes_each: int
    bytes_per_s: float


class CrowdPart(Struct, frozen=True, kw_only=True):
    """Some who do the same thing: they write in chats, or they upload."""

    chats: list[ChatPart] = []
    uploading: Uploading | None = None


class Cast(Struct, frozen=True, kw_only=True):
    """The first line: everybody who is inside, and where they connect to."""

    host: str
    port: int
    path: str
    seed: int
    crowds: list[CrowdPart]


class Pacing(Struct, frozen=True, kw_only=True):
    """When one crowd acts: a curve that begins at `from_s` of the run; never, without points."""

    from_s: float = 0.0
    points: list[Point] = []


class Act(Struct, frozen=True, kw_only=True):
    """Each further line: play these curves, one for each crowd, and leave what came of it there."""

    started_s: float
    """The recording's beginning by the monotonic clock, which processes of a machine share."""

    until_s: float
    """Of the recording: not sooner is it over."""

    pacings: list[Pacing]
    part: str
    """The file for the part of the recording."""


class Said(Struct, frozen=True, kw_only=True):
    """What comes back: `ready` once, `going` each second, and `over` after each act."""

    what: Literal["ready", "going", "over"]
    counts: dict[str, int] = field(default_factory=dict)
    message_p99_ms: float | None = None
    lag_p99_ms: float | None = None
    is_real_time: bool = False
