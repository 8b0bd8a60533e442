"""What happened when: a digest of all of it, and its lines where somebody wants to read them."""

from __future__ import annotations

import asyncio
from hashlib import blake2b


class Trace:
    """One run's."""

    def __init__(self, *, keeps_lines: bool) -> None:
        self.lines: list[str] = []
        self._keeps_lines = keeps_lines
        self._hash = blake2b(digest_size=8)

    def note(self, what: str) -> None:
        """Something happened now."""
        line = f"{asyncio.get_running_loop().time():12.6f}  {what}"
        self._hash.update(line.encode())
        if self._keeps_lines:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """The same for two runs in which the same happened at the same moments."""
        return self._hash.hexdigest()
