"""Batches of pushes: how they are given to `deliver.lua`, and how they arrive at other gateways.

A batch names each distinct audience once, and its pushes name it by a number. The script puts
batches together from parts that were encoded here: nothing is encoded twice, nor in Lua.
`deliver.lua` and `Batch` say the same and change together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

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


class Parcel(NamedTuple):
    """What one run of the script is given."""

    users: Sequence[UserId]
    """Of all audiences, one after the other: whose routes are needed."""
    arguments: Sequence[bytes | int]
    """After the sender and the channels."""


def parcels(envelopes: Iterable[Envelope]) -> Iterator[Parcel]:
    """All that are for anybody, in their order, so many to a parcel that each run is short."""
    users: list[UserId] = []
    audiences: list[bytes | int] = []
    pushes: list[bytes] = []
    numbers: dict[int, int] = {}
    for envelope in envelopes:
        people = envelope.users
        if not people and not envelope.chat:
            continue
        # What is written to one group at a time has the same tuple: its people are looked up once.
        number = 0 if envelope.chat else numbers.get(id(people))
        if number is None:
            if len(numbers) >= AUDIENCES_MAX or len(users) >= KEYS_MAX:
                yield Parcel(users, [len(numbers), *audiences, *pushes])
                users, audiences, pushes, numbers = [], [], [], {}
            number = numbers[id(people)] = len(numbers) + 1
            users += people
            audiences += (len(people), _encode(number) + _encode(people))
        pushes.append(_encode((number, envelope.frame, envelope.origin, envelope.chat)))
    if pushes:
        yield Parcel(users, [len(numbers), *audiences, *pushes])
