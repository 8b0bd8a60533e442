"""The door's own time: the waiting room ticks, and what the processes know is exchanged.

The process that dispatches says how fast people are let in; the others follow it. Nobody asks the
store while a newcomer is being answered.

Always true: where the store is lost each process goes on by itself: starts fail open, at the speed
known last. Codes are checked by the database, which fails closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import msgspec

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.cluster.door_board import DoorBoard
from hodhod_server.domain.clock import Clock
from hodhod_server.services.gatekeeper import Gatekeeper
from hodhod_server.services.waiting_room import Pace, RoomNews, WaitingRoom
from hodhod_server.telemetry import logs, metrics

log = logs.get("door")
TICK_S: Final = 0.25
ROOM_EVERY: Final = 4  # ticks
COUNTS_EVERY: Final = 20
NEWS_S: Final = 5.0


class Snapshot(msgspec.Struct, frozen=True):
    """What one process has counted."""

    counts: dict[str, dict[int, int]]
    spent: dict[int, int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode
_decode_news = msgspec.msgpack.Decoder(RoomNews).decode


class DoorSharing:
    """The loop of the door."""

    def __init__(
        self, gatekeeper: Gatekeeper, room: WaitingRoom, pace: Pace, board: DoorBoard, clock: Clock
    ) -> None:
        self._gatekeeper = gatekeeper
        self._room = room
        self._pace = pace
        self._board = board
        self._clock = clock
        self._news: RoomNews | None = None

    async def run(self) -> None:
        """Until cancelled."""
        with contextlib.suppress(BrokerUnavailable):
            await self.recall()
        ticks = 0
        while True:
            ticks += 1
            self.tick()
            try:
                if ticks % ROOM_EVERY == 0:
                    await self.share_room()
                if ticks % COUNTS_EVERY == 0:
                    await self.share_counts()
                    metrics.DOOR_SHARING.set(1)
            except BrokerUnavailable:
                metrics.DOOR_SHARING.set(0)
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """One step of the room, and of the gauges."""
        now_s = self._now_s()
        self._gatekeeper.budget.measure(now_s)
        if self._pace.is_leading():
            self._room.tick(now_s)
        elif self._news is None or now_s - self._news.told_at_s > NEWS_S:
            self._room.carry_on(now_s)

    async def recall(self) -> None:
        """Go on where this process had stopped. Raises `BrokerUnavailable`."""
        found = await self._board.find_own()
        if found is None:
            return
        snapshot = _decode(found)
        self._gatekeeper.limits.restore(snapshot.counts)
        self._gatekeeper.budget.restore(snapshot.spent)
        log.info("door.recalled", keys=sum(map(len, snapshot.counts.values())))

    async def share_counts(self) -> None:
        """Exchange counts with the other processes. Raises `BrokerUnavailable`."""
        limits, budget = self._gatekeeper.limits, self._gatekeeper.budget
        snapshot = _encode(Snapshot(limits.shared(), budget.shared()))
        found = [_decode(item) for item in await self._board.exchange(snapshot, self._now_s())]
        limits.learn([other.counts for other in found])
        budget.learn([other.spent for other in found])

    async def share_room(self) -> None:
        """Exchange who came, and hear or tell how it goes. Raises `BrokerUnavailable`."""
        is_leading, now_s = self._pace.is_leading(), self._now_s()
        ordinary, invited = self._room.lanes
        joined = (ordinary.take_untold(), invited.take_untold())
        news = _encode(self._room.news(now_s)) if is_leading else None
        try:
            seen = await self._board.tell_room(joined, news)
        except BrokerUnavailable:
            ordinary.give_back(joined[0])
            invited.give_back(joined[1])
            raise
        if is_leading:
            self._news = None
        elif seen.news is not None:
            self._news = _decode_news(seen.news)
            self._room.follow(self._news, self._now_s())
        if not self._room.is_open:
            return
        serving = (None, None) if self._news is None else self._news.serving_s
        for line, came, serving_s in zip(self._room.lanes, seen.came, serving, strict=True):
            line.replace(came, serving_s)
        if is_leading:
            served = [
                [second for second in came if second < int(line.serving_s)]
                for line, came in zip(self._room.lanes, seen.came, strict=True)
            ]
            await self._board.forget_served((served[0], served[1]))

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
