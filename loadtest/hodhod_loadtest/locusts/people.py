"""What a worker needs of a class of people, whatever these do."""

from __future__ import annotations

from typing import Protocol

from hodhod_loadtest.locusts.stream import Lateness


class People(Protocol):
    """One class of the master's. Its people come and go as the master says."""

    lateness: Lateness
    complaints: set[str]
    """What the master should hear of, besides requests; whoever tells it empties it."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def become(self, count: int) -> None:
        """Let some come, or go."""
        ...

    async def leave(self, within_s: float) -> None:
        """All go. What is under way has so long; what is not done then has failed."""
        ...

    async def run(self) -> None:
        """For ever: whatever they do."""
        ...
