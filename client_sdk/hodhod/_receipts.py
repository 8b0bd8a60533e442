"""Which messages to report as delivered: the newest handed over of each chat, in one go.

Reports ask for no answer, so the last ones may have died with their connection: those are made
again on the next one. A report that comes twice is harmless.
"""

from __future__ import annotations

from typing import Final

from hodhod_wire.frames import Position

IN_DOUBT_MAX: Final = 100  # chats; more than a connection's buffers can lose is not remembered


class Receipts:
    """What to report, and what was reported on this connection."""

    def __init__(self) -> None:
        self._due: dict[int, int] = {}
        self._in_doubt: dict[int, int] = {}

    def handed_over(self, chat: int, seq: int) -> None:
        """The user has the chat up to `seq`."""
        self._due[chat] = seq

    def take(self) -> list[Position]:
        """What to report now, each chat once."""
        due, self._due = self._due, {}
        for chat, seq in due.items():
            self._in_doubt.pop(chat, None)
            self._in_doubt[chat] = seq
        while len(self._in_doubt) > IN_DOUBT_MAX:
            del self._in_doubt[next(iter(self._in_doubt))]
        return [Position(chat=chat, seq=seq) for chat, seq in due.items()]

    def disconnected(self) -> None:
        """The last reports may be lost."""
        self._due = {**self._in_doubt, **self._due}
        self._in_doubt = {}
