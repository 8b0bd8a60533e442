"""What is ready for the user, in the order in which it became ready.

A chat's message stands here as the chat's id: the message itself waits in the chat's log. Hints
(typing, positions) are bounded: of a position only the newest is told, and a reader who is too slow
for `HINTS_MAX` of them misses some. What became of a chat is never missed, and only the newest of
it is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple

from msgspec import structs

from hodhod._models import (
    AccountNotice,
    ChatChanged,
    ChatGone,
    Event,
    PositionChanged,
    SendRefused,
    SignInAsked,
    TypingSeen,
    told_from,
)
from hodhod_wire import frames

HINTS_MAX: Final = 1000  # a screenful of people; older news of them is stale anyway

Told = AccountNotice | SignInAsked
Ready = int | PositionChanged | TypingSeen | SendRefused | ChatChanged | ChatGone | Told


class _Member(NamedTuple):
    chat: int
    user: int


class _Fate(NamedTuple):
    chat: int


class EventQueue:
    """First come, first told."""

    def __init__(self) -> None:
        self._tokens: deque[int | _Member | _Fate | TypingSeen | SendRefused | Told] = deque()
        self._positions: dict[_Member, PositionChanged] = {}
        self._fates: dict[_Fate, ChatChanged | ChatGone] = {}
        self._hints = 0

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def pop(self) -> Ready:
        """The next event, or the id of the chat whose log has it."""
        token = self._tokens.popleft()
        if isinstance(token, _Fate):
            return self._fates.pop(token)
        if isinstance(token, _Member):
            self._hints -= 1
            return self._positions.pop(token)
        self._hints -= isinstance(token, TypingSeen | Told)
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

    def add_told(self, push: frames.AccountNotice | frames.SignInAsked) -> None:
        """What happened to the account; dropped where too many hints wait."""
        if self._hints < HINTS_MAX:
            self._hints += 1
            self._tokens.append(told_from(push))

    def add_position(self, position: PositionChanged) -> None:
        """Takes the place of an older one of the same member; dropped where too many wait."""
        member = _Member(position.chat, position.user)
        if member in self._positions:
            self._positions[member] = position
        elif self._hints < HINTS_MAX:
            self._hints += 1
            self._positions[member] = position
            self._tokens.append(member)

    def add_changed(self, changed: ChatChanged) -> None:
        """Takes the place of an older one of the same chat, unless the chat was gone meanwhile."""
        fate = _Fate(changed.chat.id)
        before = self._fates.get(fate)
        if isinstance(before, ChatChanged):
            is_new = before.is_new or changed.is_new
            self._fates[fate] = structs.replace(changed, is_new=is_new)
        else:
            self._put_last(fate, changed)

    def add_gone(self, gone: ChatGone) -> None:
        """Comes after all that was ready of the chat, and instead of what had changed there."""
        self._put_last(_Fate(gone.chat), gone)

    def _put_last(self, fate: _Fate, event: ChatChanged | ChatGone) -> None:
        if fate in self._fates:
            self._tokens.remove(fate)
        self._fates[fate] = event
        self._tokens.append(fate)


class Events:
    """`client.events()`: leaving it and coming back goes on where it stopped."""

    def __init__(self, next_event: Callable[[], Awaitable[Event]]) -> None:
        self._next_event = next_event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self._next_event()
