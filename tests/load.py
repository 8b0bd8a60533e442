"""How loaded a process is, as a test says it is."""

from __future__ import annotations

from hodhod_server.domain.load import Level


class Told:
    """A `Load` whose level is set."""

    def __init__(self, level: Level = Level.CALM) -> None:
        self.level = level
