"""What each process of those who are inside is told, and tells: one JSON object a line. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from hodhod_loadtest.bench.people import Person
from hodhod_loadtest.running.share import Share

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

    @property
    def turns(self) -> int:
        """So many act in turns: a writer for each chat, or whoever sends files."""
        return len(self.chats) if self.uploading is None else len(self.uploading.tokens)

    def dealt(self, share: Share) -> CrowdPart:
        """Those whom one process plays. A chat is never divided: what is lost or doubled in it, and
        how late it is, only who knows its writer and all its listeners can tell.
        """
        uploading = self.uploading
        if uploading is not None:
            uploading = replace(uploading, tokens=[*share.take(uploading.tokens)])
        return CrowdPart(chats=[*share.take(self.chats)], uploading=uploading)


class Cast(Struct, frozen=True, kw_only=True):
    """The first line: everybody who is inside, where they connect to, and whose part it is."""

    host: str
    port: int
    path: str
    seed: int
    crowds: list[CrowdPart]
    share: Share = Share()


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


def together(said: Sequence[Said]) -> Said:
    """What several processes said, as if one had. No quantile is that of two: the higher counts."""
    counts = Counter[str]()
    for one in said:
        counts.update(one.counts)
    return Said(
        what=said[0].what,
        counts=dict(counts),
        message_p99_ms=_most(one.message_p99_ms for one in said),
        lag_p99_ms=_most(one.lag_p99_ms for one in said),
        is_real_time=all(one.is_real_time for one in said),
    )


def _most(numbers: Iterable[float | None]) -> float | None:
    return max((number for number in numbers if number is not None), default=None)
