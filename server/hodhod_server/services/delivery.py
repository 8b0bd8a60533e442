"""Delivery: from an encoded push to every device of everybody it is for.

People connected here are served at once, whatever becomes of the bus. For the others envelopes are
queued and one loop gives the bus whatever gathered while the last batch was on its way. Pushes may
be lost, the log may not: whoever may have missed one is told to sync.

Always true: pushes leave in the order in which they were queued, one batch at a time. The queue is
bounded; a full one drops the push and tells its people to sync.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from hodhod_server.cluster.broker import Broker, BrokerUnavailable, Envelope, Subscriber
from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.telemetry import logs, metrics

log = logs.get("delivery")
QUEUE_MAX: Final = 50_000  # some seconds of a busy gateway; beyond, syncing is cheaper than waiting
BATCH_MAX: Final = 1_000
UNTOLD_MAX: Final = 50_000  # people and chats to be told of a gap; more means everybody
RETRY_S: Final = 1.0


class Delivery:
    """The outgoing side of one gateway. `local` is where this gateway's own connections are."""

    def __init__(self, broker: Broker, local: Subscriber) -> None:
        self._broker = broker
        self._local = local
        self._here: list[Envelope] = []
        self._here_filled = asyncio.Event()
        self._queue: deque[Envelope] = deque()
        self._filled = asyncio.Event()
        self._is_routing = False
        self._untold: set[UserId] = set()
        self._untold_chats: set[ChatId] = set()
        self._untold_is_everybody = False

    def enqueue(self, envelopes: Iterable[Envelope]) -> None:
        """Queue pushes. Never waits and never raises."""
        for envelope in envelopes:
            self._here.append(envelope)
            if len(self._queue) >= QUEUE_MAX:
                self._give_up([envelope], "queue_full")
            else:
                self._queue.append(envelope)
        self._here_filled.set()
        self._filled.set()

    def suspect(self, users: Iterable[UserId], chats: Iterable[ChatId]) -> None:
        """These people, or who is in these chats, may have missed something. Never waits."""
        self._owe(users, chats)

    def is_idle(self) -> bool:
        """Everything that was queued has been handed on, or its people told to sync."""
        is_owing = self._untold or self._untold_chats or self._untold_is_everybody
        return not (self._here or self._queue or self._is_routing or is_owing)

    @property
    def loops(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """What has to run for anything to be delivered."""
        return (self.run_here, self.run_elsewhere, self.run_gaps)

    async def run_here(self) -> None:
        """Serve the people connected here, until cancelled.

        It never waits for anything but work, so what is queued for here does not pile up; and it is
        a loop of its own so that the next commit is under way meanwhile.
        """
        while True:
            await self._here_filled.wait()
            self._here_filled.clear()
            batch, self._here = self._here, []
            self._local.on_envelopes(batch)

    async def run_elsewhere(self) -> None:
        """Give batch after batch to the bus, until cancelled."""
        while True:
            await self._filled.wait()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
            if not self._queue:
                self._filled.clear()
            metrics.FANOUT_QUEUE.set(len(self._queue))
            if batch:
                self._is_routing = True
                with metrics.FANOUT_SECONDS.time():
                    await self._deliver(batch)
                self._is_routing = False

    async def run_gaps(self) -> None:
        """Tell whom a push could not reach, as soon as the bus can be reached again."""
        while True:
            await asyncio.sleep(RETRY_S)
            if not self._untold and not self._untold_chats and not self._untold_is_everybody:
                continue
            users, self._untold = self._untold, set()
            chats, self._untold_chats = self._untold_chats, set()
            is_everybody, self._untold_is_everybody = self._untold_is_everybody, False
            try:
                if is_everybody:
                    await self._broker.announce_gap([], [])
                else:
                    await self._broker.announce_gap(list(users), list(chats))
            except BrokerUnavailable:
                self._untold_is_everybody |= is_everybody
                self._owe(users, chats)

    async def _deliver(self, batch: Sequence[Envelope]) -> None:
        try:
            await self._broker.deliver(batch)
        except BrokerUnavailable:
            self._give_up(batch, "bus_lost")

    def _give_up(self, envelopes: Iterable[Envelope], reason: str) -> None:
        for envelope in envelopes:
            metrics.FANOUT_DROPPED.labels(reason).inc()
            self._owe(envelope.users, [ChatId(envelope.chat)] if envelope.chat else [])

    def _owe(self, users: Iterable[UserId], chats: Iterable[ChatId]) -> None:
        self._untold.update(users)
        self._untold_chats.update(chats)
        if len(self._untold) + len(self._untold_chats) > UNTOLD_MAX:
            log.warning("gap.everybody", users=len(self._untold), chats=len(self._untold_chats))
            self._untold_is_everybody = True
            self._untold.clear()
            self._untold_chats.clear()
