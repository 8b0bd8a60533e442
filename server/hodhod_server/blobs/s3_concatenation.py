"""How objects become one: what the store can copy by itself, it copies.

A part but the last holds at least 5 MiB, so a short object, and the short end of a long one, has to
be fetched and sent again together with the beginning of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hodhod_server.blobs.s3_objects import Window

PART_BYTES_MIN: Final = 5 * 1024 * 1024
COPY_BYTES_MAX: Final = 1024 * 1024 * 1024  # S3 allows five; a smaller one is repeated sooner

Piece = tuple[Window, ...]


def plan(sources: Sequence[Window]) -> list[Piece]:
    """The parts of the new object: of one window where the store can copy it, else of several."""
    pieces: list[Piece] = []
    short: list[Window] = []
    for source in sources:
        start = source.start
        while start < source.stop:
            lacking = PART_BYTES_MIN - sum(window.length_bytes for window in short)
            rest = source.stop - start
            length = min(rest, lacking)
            if not short and rest >= PART_BYTES_MIN:
                length = _copied(rest)
            short.append(Window(source.key, start, start + length))
            start += length
            if length >= lacking:
                pieces.append(tuple(short))
                short = []
    return [*pieces, tuple(short)] if short else pieces


def _copied(rest: int) -> int:
    """How much of a long object the next part takes, so that no short end is left if possible."""
    if rest <= COPY_BYTES_MAX:
        return rest
    return min(COPY_BYTES_MAX, rest - PART_BYTES_MIN)
