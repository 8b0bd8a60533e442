"""The outbox: messages that are written and not yet acknowledged.

A message keeps its `client_id` however often it is sent, and the server stores one message per
`client_id`: so resending after every doubt gives exactly one. Always true: a message leaves the
outbox only by an acknowledgement or a final refusal; within a chat, messages are sent in the order
in which they were written.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from hodhod._errors import Refused
from hodhod._models import Message, SendRefused
from hodhod_wire.events import Body
from hodhod_wire.limits import ID_MAX

PENDING_MAX: Final = 1000  # what a person writes in days offline; a bot that writes more must wait


def new_client_id() -> int:
    """A name for a message: 53 random bits, so that two devices of a person never choose one."""
    return secrets.randbelow(ID_MAX) + 1


class Pending(Struct, frozen=True, kw_only=True):
    """A message on its way."""

    client_id: int
    chat: int
    body: Body


class Outbox:
    """Which messages to send now, and what became of each."""

    def __init__(self, pending: Iterable[Pending] = ()) -> None:
        self._pending = {one.client_id: one for one in pending}
        self._awaited: set[int] = set()
        self._unsaved: set[int] = set()
        self._in_flight: set[int] = set()
        self._not_before_s: dict[int, float] = {}
        self.returned: deque[Message | SendRefused] = deque()
        """What callers that still wait are to be told, oldest first; the client empties it."""

    @property
    def pending(self) -> list[Pending]:
        """Everything unacknowledged, oldest first."""
        return list(self._pending.values())

    @property
    def is_full(self) -> bool:
        """Too much is waiting already: another message has to wait outside."""
        return len(self._pending) >= PENDING_MAX

    def add(self, pending: Pending) -> None:
        """A message whose writer waits for it; it is sent once it is `release`d."""
        self._pending[pending.client_id] = pending
        self._awaited.add(pending.client_id)
        self._unsaved.add(pending.client_id)

    def release(self, client_id: int) -> None:
        """The message is in the session file."""
        self._unsaved.discard(client_id)

    def abandon(self, client_id: int) -> None:
        """The writer waits no longer; the message stays, and goes out."""
        self._awaited.discard(client_id)
        self._unsaved.discard(client_id)

    def is_awaited(self, client_id: int) -> bool:
        """The writer waits to hear what became of the message."""
        return client_id in self._awaited

    def due(self, now_s: float) -> list[Pending]:
        """What to send now, oldest first; nothing overtakes a message of its chat that rests."""
        resting: set[int] = set()
        due: list[Pending] = []
        for one in self._pending.values():
            is_unsaved = one.client_id in self._unsaved
            if is_unsaved or self._not_before_s.get(one.client_id, 0.0) > now_s:
                resting.add(one.chat)
            elif one.client_id not in self._in_flight and one.chat not in resting:
                due.append(one)
        return due

    def next_due_s(self) -> float | None:
        """When the next resting message may be sent: of each chat, the oldest that holds it up."""
        held_up: set[int] = set()
        times: list[float] = []
        for one in self._pending.values():
            is_resting = one.client_id in self._not_before_s
            if one.chat not in held_up and (is_resting or one.client_id in self._unsaved):
                held_up.add(one.chat)
                times += [self._not_before_s[one.client_id]] if is_resting else []
        return min(times, default=None)

    def sent_out(self, client_id: int) -> None:
        """The message was written to the present connection."""
        self._in_flight.add(client_id)
        self._not_before_s.pop(client_id, None)

    def disconnected(self) -> None:
        """Whatever was in flight is in doubt: all of it is sent again on the next connection."""
        self._in_flight.clear()

    def acknowledge(self, message: Message) -> bool:
        """The message is durable. Whether its writer still waits, and so is told by `send`."""
        if self._remove(message.client_id) is None:
            return False
        if message.client_id not in self._awaited:
            return False
        self._awaited.discard(message.client_id)
        self.returned.append(message)
        return True

    def rest(self, client_id: int, until_s: float) -> None:
        """The server was too busy for it: send it again, not before `until_s`."""
        self._in_flight.discard(client_id)
        if client_id in self._pending:
            self._not_before_s[client_id] = until_s

    def refuse(self, client_id: int, error: Refused) -> SendRefused | None:
        """The server will not take it. What to tell as an event, as nobody waits for it."""
        pending = self._remove(client_id)
        if pending is None:
            return None
        outcome = SendRefused(chat=pending.chat, client_id=client_id, error=error)
        if client_id not in self._awaited:
            return outcome
        self._awaited.discard(client_id)
        self.returned.append(outcome)
        return None

    def find(self, client_id: int) -> Pending | None:
        """The unacknowledged message of this name."""
        return self._pending.get(client_id)

    def _remove(self, client_id: int) -> Pending | None:
        self._in_flight.discard(client_id)
        self._not_before_s.pop(client_id, None)
        return self._pending.pop(client_id, None)
