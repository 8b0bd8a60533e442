"""What is ready for the user, in the order in which it became ready.

A chat's message stands here as the chat's id: the message itself waits in the chat's log. Hints
(typing, positions) are bounded: of a position only the newest is told, and a reader who is too slow
for `HINTS_MAX` of them misses some.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from hodhod._models import PositionChanged, SendRefused, TypingSeen

HINTS_MAX: Final = 1000  # a screenful of people; older news of them is stale anyway

_Member = tuple[int, int]
Ready = int | PositionChanged | TypingSeen | SendRefused


class EventQueue:
    """First come, first told."""

    def __init__(self) -> None:
        self._tokens: deque[int | _Member | TypingSeen | SendRefused] = deque()
        self._positions: dict[_Member, PositionChanged] = {}
        self._hints = 0

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def pop(self) -> Ready:
        """The next event, or the id of the chat whose log has it."""
        token = self._tokens.popleft()
        if isinstance(token, tuple):
            self._hints -= 1
            return self._positions.pop(token)
        self._hints -= isinstance(token, TypingSeen)
        return token

    def add_messages(self, chat: int, count: int) -> None:
        """So many more of the chat's messages can be handed over."""
        self._tokens.extend([chat] * count)

    def drop_message(self, chat: int) -> None:
        """One less, because its place is withheld."""
        self._tokens.remove(chat)

    def add_refused(self, refused: SendRefused) -> None:
        """Never dropped: the outbox bounds how many there can be."""
        self._tokens.append(refused)

    def add_typing(self, typing: TypingSeen) -> None:
        """Dropped where too many hints wait."""
        if self._hints < HINTS_MAX:
            self._hints += 1
            self._tokens.append(typing)

    def add_position(self, position: PositionChanged) -> None:
        """Takes the place of an older one of the same member; dropped where too many wait."""
        member = (position.chat, position.user)
        if member in self._positions:
            self._positions[member] = position
        elif self._hints < HINTS_MAX:
            self._hints += 1
            self._positions[member] = position
            self._tokens.append(member)
