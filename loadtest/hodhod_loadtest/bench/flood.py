"""Far more messages than can be served, from people who do not listen to refusals.

The lean end of the generator: frames are made once and only their numbers change, and what comes
back is counted and not decoded, so that one core offers several times what the server can take.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Final

import msgpack

from hodhod_loadtest.bench import websocket
from hodhod_loadtest.bench.connection import Connection, Door
from hodhod_loadtest.bench.flights import FIRST_NUMBER, TEXT
from hodhod_loadtest.bench.people import Pair

_NUMBERS: Final = itertools.count(FIRST_NUMBER + (1 << 32))
_PLACEHOLDER: Final = FIRST_NUMBER
_SENT: Final = msgpack.packb("sent")
_ERROR: Final = msgpack.packb("error")
TICK_S: Final = 0.005


class Flooder(Connection):
    """Somebody who writes on a schedule, whatever is answered."""

    def __init__(self, door: Door, pair: Pair, flood: Flood) -> None:
        super().__init__(door, pair.writer.token, flood)
        self._flood = flood
        self._is_flooding = False
        body = {"t": "text", "text": TEXT}
        number = {"ref": _PLACEHOLDER, "chat": pair.chat, "client_id": _PLACEHOLDER}
        frame = websocket.client_frame(
            websocket.BINARY, msgpack.packb({"t": "send", **number, "body": body}), 0
        )
        self._parts = frame.split(_PLACEHOLDER.to_bytes(8))

    def begin(self) -> None:
        """From here on answers are counted."""
        self._is_flooding = True

    def write_one(self) -> None:
        """One more message."""
        if self._transport is not None:
            number = next(_NUMBERS).to_bytes(8)
            self._transport.write(number.join(self._parts))

    def data_received(self, data: bytes) -> None:
        if self._is_flooding:
            self._flood.note(data.count(_SENT), data.count(_ERROR))
        else:
            super().data_received(data)


class Flood:
    """All who write too much, and what came of it."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.acknowledged = 0
        self.turned_away = 0
        self._writers: list[Flooder] = []

    async def gather(self, pairs: Sequence[Pair], door: Door) -> None:
        """Connect the writers; nobody reads."""
        for pair in pairs:
            writer = Flooder(door, pair, self)
            await writer.connect()
            await writer.sync({pair.chat: 1})
            writer.begin()
            self._writers.append(writer)

    async def pour(self, rate_per_s: float, seconds: float) -> float:
        """Write on schedule; returns the rate that was kept."""
        loop = asyncio.get_running_loop()
        began, turns, written = loop.time(), itertools.cycle(self._writers), 0
        while (passed_s := loop.time() - began) < seconds:
            for _ in range(int(passed_s * rate_per_s) - written):
                next(turns).write_one()
                written += 1
            await asyncio.sleep(TICK_S)
        return written / (loop.time() - began)

    def disperse(self) -> None:
        """Hang up without waiting for what is still under way."""
        for writer in self._writers:
            writer.hang_up()

    def note(self, acknowledged: int, turned_away: int) -> None:
        """Answers have come."""
        self.acknowledged += acknowledged
        self.turned_away += turned_away

    # --- what a connection tells -----------------------------------------------------------------

    def sent(self, ref: int) -> None:
        """Only while it connects."""

    def received(self, client_id: int) -> None:
        """Only while it connects."""

    def refused(self, ref: int, code: str) -> None:
        """Only while it connects."""

    def ended(self, why: str) -> None:
        self.trouble = self.trouble or why
