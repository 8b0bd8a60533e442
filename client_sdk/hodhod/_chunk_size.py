"""How much goes in one request: more on a good link, little on one that breaks.

What a cut takes away is sent again, half a request on average. So a request is at most a small
share of what went through between two cuts, or, before the first one, of what went through at all.

Always true: from `CHUNK_BYTES_MIN` to `CHUNK_BYTES_MAX`, and at most doubled by a success.
"""

from __future__ import annotations

from typing import Final

CHUNK_BYTES_MIN: Final = 256 * 1024  # with less, the answers take longer than the bytes
CHUNK_BYTES_FIRST: Final = 512 * 1024
CHUNK_BYTES_MAX: Final = 8 * 1024 * 1024  # each part of an upload holds one in memory
SHARE_BETWEEN_CUTS: Final = 0.025  # a cut takes half of that on average
SHARE_UNCUT: Final = 0.06


class ChunkSize:
    """The size for the next request of one upload."""

    def __init__(self) -> None:
        self.bytes = CHUNK_BYTES_FIRST
        self._since_cut = 0
        self._between_cuts: float | None = None

    def took(self, length: int) -> None:
        """So many bytes went through in one request."""
        self._since_cut += length
        self.bytes = min(2 * self.bytes, self._ceiling())

    def broke(self) -> None:
        """The link broke in the middle of a request."""
        known = self._between_cuts
        self._between_cuts = self._since_cut if known is None else (known + self._since_cut) / 2
        self._since_cut = 0
        self.bytes = min(self.bytes, self._ceiling())

    def _ceiling(self) -> int:
        if self._between_cuts is None:
            wanted = max(CHUNK_BYTES_FIRST, self._since_cut * SHARE_UNCUT)
        else:
            wanted = max(self._between_cuts, self._since_cut) * SHARE_BETWEEN_CUTS
        return int(min(CHUNK_BYTES_MAX, max(CHUNK_BYTES_MIN, wanted)))
