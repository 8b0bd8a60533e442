"""What newcomers are told of the wait and of the ways there are, the same in every process.

The dispatcher knows; each second it leaves a few bytes in the database, from which the other
sign-up processes read. Without a dispatcher for some seconds the ways of the settings are told,
and no wait.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ladder import Ways
from hodhod_server.sms.provider import Channel, Terms
from hodhod_server.store import sends
from hodhod_server.store.database import Database

LOOK_S: Final = 1.0
PACE_S: Final = 30.0
STALE: Final = timedelta(seconds=10)
Wait = tuple[float, float]


class Prospect(msgspec.Struct, frozen=True):
    """The wait until a code is handed over (half of the people, nine of ten), and the ways."""

    wait_s: Wait | None
    ways: Ways


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Prospect).decode


def ways_of(terms: Sequence[Terms], *, takes_messages: bool) -> Ways:
    """What the settings offer while all is well."""
    return Ways(
        sms_domains=_domains(terms, Channel.SMS),
        voice_domains=_domains(terms, Channel.VOICE),
        takes_messages=takes_messages,
    )


def _domains(terms: Sequence[Terms], channel: Channel) -> int:
    return len({item.failure_domain for item in terms if item.channel is channel})


class _Pace:
    """How fast a count grows."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._count = 0
        self._at_s: float | None = None

    def note(self, count: int, now_s: float) -> None:
        if self._at_s is not None and now_s > self._at_s and count >= self._count:
            passed_s = now_s - self._at_s
            share = 1 - math.exp(-passed_s / PACE_S)
            self.per_s += share * ((count - self._count) / passed_s - self.per_s)
        self._count, self._at_s = count, now_s


class Outlook:
    """The prospect as this process knows it."""

    def __init__(self, database: Database, clock: Clock, ways: Ways) -> None:
        self._database = database
        self._clock = clock
        self._usual = Prospect(None, ways)
        self._prospect = self._usual
        self._is_told_here = False
        self._pace = _Pace()
        self._may_enter_per_s = 0.0

    @property
    def known_wait_s(self) -> Wait | None:
        """None while nobody knows."""
        return self._prospect.wait_s

    def wait_s(self) -> Wait:
        """The same; none while nobody knows."""
        return self._prospect.wait_s or (0.0, 0.0)

    @property
    def ways(self) -> Ways:
        """What the house offers now."""
        return self._prospect.ways

    def tell(self, prospect: Prospect, first_sends: int, may_enter_per_s: float) -> bytes:
        """This process dispatches and knows; what to leave for the others.

        `first_sends`: how many people's first code has been handed over so far.
        """
        self._may_enter_per_s = may_enter_per_s
        self._is_told_here = True
        self._pace.note(first_sends, asyncio.get_running_loop().time())
        self._prospect = prospect
        return _encode(prospect)

    def handed_over_per_s(self) -> float:
        """People whose first code was handed over in a second, over the last half minute."""
        return self._pace.per_s

    def may_enter_per_s(self) -> float:
        """Texts that providers take in a second, as their contracts and answers say; where none
        does and people write to us, what all of them have agreed to."""
        return self._may_enter_per_s

    def is_leading(self) -> bool:
        """Does this process dispatch?"""
        return self._is_told_here

    def stop_telling(self) -> None:
        """Another process dispatches from now on."""
        self._is_told_here = False

    async def run(self) -> None:
        """Keep up with what a dispatcher elsewhere tells."""
        while True:
            if not self._is_told_here:
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        try:
            async with self._database.connection() as connection:
                told = await sends.read_outlook(connection, self._clock.now() - STALE)
        except Overloaded:
            return
        if not self._is_told_here:
            self._prospect = self._usual if told is None else _decode(told)
