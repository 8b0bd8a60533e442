"""What gateways tell one another: the contract between the bus and those who use it.

Delivery is at most once and in order from one sender to one gateway. Nothing here is durable: what
is lost is in the log, and a receiver that may have lost something is told so (`on_gap`).
Adapters reach edges by callback: the gateway's hub is a `Subscriber`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from hodhod_server.domain.ids import ChatId, DeviceId, UserId


class BrokerUnavailable(Exception):
    """The bus could not be reached; what was to be published is lost."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One encoded push frame (MessagePack) and the people it is for.

    `origin` is the connection that caused it and gets a reply instead; 0: nobody is left out.
    Connection ids are random, so that they mean the same on every gateway. `chat` is the broadcast
    chat whose members it is for instead of `users`; 0: none.
    """

    users: tuple[UserId, ...]
    frame: bytes
    origin: int = 0
    chat: int = 0


class Subscriber(Protocol):
    """Who hears what was published for this process. None of these may wait or raise."""

    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        """Push each frame to the connections of its people that are here."""

    def on_gap(self) -> None:
        """Anything may have been lost: everybody here must sync."""

    def on_gap_for(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        """Something for these people may have been lost, or for who is in these chats."""

    def on_device_ended(self, device: DeviceId) -> None:
        """A session was ended somewhere."""

    def on_chat_changed(self, chat: ChatId, version: int, users: Sequence[UserId]) -> None:
        """A chat has this version now; `users` came, left or may other things."""


class Broker(Protocol):
    """The bus, as services use it. Every method may raise `BrokerUnavailable`."""

    async def deliver(self, envelopes: Sequence[Envelope]) -> None:
        """Send each to the other gateways where its people are, or to all where it is broadcast.

        Calls must follow one another: their order is the order of arrival.
        """
        ...

    async def announce_gap(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        """Tell every gateway who may have missed something: these people, who is in these chats.

        Nobody and nothing named: everybody.
        """
        ...

    async def announce_end(self, device: DeviceId) -> None:
        """Tell every process that the device's session is over."""
        ...

    async def announce_chat_changed(
        self, chat: ChatId, version: int, users: Sequence[UserId]
    ) -> None:
        """Tell every gateway a chat's version, and who came, left or may other things."""
        ...
