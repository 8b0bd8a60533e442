"""Telling a person's devices at once what happened to the account: a sign-in, a wrong PIN.

A notice is a push: it reaches the devices that are connected, on whatever gateway. What it tells is
seen later, too, in the list of devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.ids import ChatId, DeviceId, UserId
from hodhod_server.domain.models import Entrant
from hodhod_server.services.delivery import Delivery
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import AccountNotice


class NoticeKind(StrEnum):
    """What happened."""

    SIGNED_IN = "signed_in"
    PIN_WRONG = "pin_wrong"
    PIN_LOCKED = "pin_locked"
    NUMBER_CHANGED = "number_changed"
    NUMBER_LOST = "number_lost"


class AccountNotices:
    """The notices that one process gives."""

    def __init__(self, delivery: Delivery, clock: Clock) -> None:
        self._delivery = delivery
        self._clock = clock

    def tell(self, user: UserId, kind: NoticeKind) -> None:
        """Tell all of this person's devices. Never waits and never raises."""
        self._push(user, AccountNotice(kind=kind, at=to_ms(self._clock.now())))

    def tell_signed_in(self, user: UserId, device: DeviceId, entrant: Entrant) -> None:
        """Tell all of this person's devices of a new one."""
        self._push(
            user,
            AccountNotice(
                kind=NoticeKind.SIGNED_IN,
                at=to_ms(self._clock.now()),
                device=device,
                name=entrant.name,
                platform=entrant.platform,
            ),
        )

    def _push(self, user: UserId, notice: AccountNotice) -> None:
        self._delivery.enqueue([Envelope((user,), MSGPACK.encode(notice))])


class NobodyHere:
    """The connections of a process that has none."""

    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        """Nobody to push to."""

    def on_gap(self) -> None:
        """Nobody to sync."""

    def on_gap_for(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        """Nobody to sync."""

    def on_device_ended(self, device: DeviceId) -> None:
        """Nobody to disconnect."""

    def on_chat_changed(self, chat: ChatId, version: int, users: Sequence[UserId]) -> None:
        """Nobody's rights."""
