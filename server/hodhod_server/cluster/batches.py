"""Batches of pushes: how they are given to `deliver.lua`, and how they arrive at other gateways.

A batch names each distinct audience once, and its pushes name it by a number. The script puts
batches together from parts that were encoded here: nothing is encoded twice, nor in Lua.
`deliver.lua` and `Batch` say the same and change together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from hodhod_server.cluster.broker import Envelope
from hodhod_server.cluster.redis_pool import KEYS_MAX
from hodhod_server.domain.ids import GatewayId, UserId

EVERYBODY: Final = GatewayId("everybody")
"""As if it were a gateway: all hear its channel. Audience 0."""
AUDIENCES_MAX: Final = 127  # the script reads a number from one byte

_encode = msgspec.msgpack.Encoder().encode


class Push(msgspec.Struct, frozen=True, array_like=True):
    """An envelope but for its users: the number of an audience of the batch, or 0."""

    audience: int
    frame: bytes
    origin: int
    chat: int


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    """What one gateway sends to one other, or to everybody, at a time."""

    sender: GatewayId
    audiences: dict[int, tuple[UserId, ...]]
    pushes: list[Push]

    def envelopes(self) -> list[Envelope]:
        """As they were before."""
        of = self.audiences
        return [
            Envelope(of.get(push.audience, ()), push.frame, push.origin, push.chat)
            for push in self.pushes
        ]


class Parcel:
    """What one run of the script is given."""

    def __init__(self) -> None:
        self.users: list[UserId] = []
        """Of all audiences, one after the other: whose routes are needed."""
        self._audiences: list[bytes | int] = []
        self._pushes: list[bytes] = []
        self._numbers: dict[int, int] = {}

    @property
    def arguments(self) -> list[bytes | int]:
        """After the sender and the channels."""
        return [len(self._numbers), *self._audiences, *self._pushes]

    @property
    def is_empty(self) -> bool:
        return not self._pushes

    @property
    def is_full(self) -> bool:
        return len(self.users) >= KEYS_MAX or len(self._numbers) >= AUDIENCES_MAX

    def add(self, envelope: Envelope) -> None:
        """One envelope more, behind all others."""
        users = envelope.users
        # What is written to one group at a time has the same tuple: its people are looked up once.
        number = 0 if envelope.chat else self._numbers.get(id(users)) or self._new_audience(users)
        self._pushes.append(_encode((number, envelope.frame, envelope.origin, envelope.chat)))

    def _new_audience(self, users: tuple[UserId, ...]) -> int:
        number = self._numbers[id(users)] = len(self._numbers) + 1
        self.users += users
        self._audiences += (len(users), _encode(number) + _encode(users))
        return number


def parcels(envelopes: Iterable[Envelope]) -> Iterator[Parcel]:
    """All that are for anybody, in their order, so many to a parcel that each run is short."""
    parcel = Parcel()
    for envelope in envelopes:
        if not envelope.users and not envelope.chat:
            continue
        if parcel.is_full:
            yield parcel
            parcel = Parcel()
        parcel.add(envelope)
    if not parcel.is_empty:
        yield parcel
