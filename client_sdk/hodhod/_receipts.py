"""How far to report chats: the newest message handed over of each, in one go.

A notice about a file is nothing that a person looks at. Behind what was read it is read, too, or it
would count as a message that waits. Reports ask for no answer, so the last ones may have died with
their connection: those are made again on the next one. A report that comes twice is harmless.
"""

from __future__ import annotations

from typing import Final

from hodhod_wire.frames import Delivered, Read

IN_DOUBT_MAX: Final = 100  # more than a connection's buffers can lose is not remembered

Report = Delivered | Read
_Key = tuple[int, type[Report]]


class Receipts:
    """What to report, and what was reported on this connection."""

    def __init__(self) -> None:
        self._due: dict[_Key, Report] = {}
        self._in_doubt: dict[_Key, Report] = {}

    def handed_over(self, chat: int, seq: int, *, is_read: bool) -> None:
        """The user has the chat up to `seq`, and has read it that far, or not."""
        report = (Read if is_read else Delivered)(chat=chat, seq=seq)
        self._due[chat, type(report)] = report

    def take(self) -> list[Report]:
        """What to report now, the newest of each kind for each chat."""
        due, self._due = self._due, {}
        for key, report in due.items():
            self._in_doubt.pop(key, None)
            self._in_doubt[key] = report
        while len(self._in_doubt) > IN_DOUBT_MAX:
            del self._in_doubt[next(iter(self._in_doubt))]
        return list(due.values())

    def disconnected(self) -> None:
        """The last reports may be lost."""
        self._due = {**self._in_doubt, **self._due}
        self._in_doubt = {}
