"""What newcomers are told of the wait and of the ways there are, the same in every process.

The dispatcher knows; each second it leaves a few bytes in the database, from which the other
sign-up processes read. Without a dispatcher for some seconds the ways of the settings are told,
and no wait.
"""

from __future__ import annotations

import asyncio
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


class Outlook:
    """The prospect as this process knows it."""

    def __init__(self, database: Database, clock: Clock, ways: Ways) -> None:
        self._database = database
        self._clock = clock
        self._usual = Prospect(None, ways)
        self._prospect = self._usual
        self._is_told_here = False

    @property
    def wait_s(self) -> Wait | None:
        """None while nobody knows."""
        return self._prospect.wait_s

    @property
    def ways(self) -> Ways:
        """What the house offers now."""
        return self._prospect.ways

    def tell(self, prospect: Prospect) -> bytes:
        """This process dispatches and knows; what to leave for the others."""
        self._is_told_here = True
        self._prospect = prospect
        return _encode(prospect)

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
