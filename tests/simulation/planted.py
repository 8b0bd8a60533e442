"""Faults of the kind that the simulation is there to find, one class each.

Each is a plausible mistake in one place; `test_planted_faults.py` asks that every one is found
within a bounded number of seeds. A new law of the judge comes with the fault that breaks it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from redis.asyncio import Redis

from hodhod._outbox import Outbox, Pending
from hodhod._session import Kept, Session
from hodhod._state import State
from hodhod_server.cluster.broker import Broker, Envelope
from hodhod_server.cluster.register import Register
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import ChatId, DeviceId, GatewayId, UserId
from hodhod_server.gateway.hub import Hub
from hodhod_wire.frames import Push, Resync
from tests.simulation.postgres_tables import Batch, Row, Tables
from tests.simulation.sabotage import Sabotage
from tests.simulation.scenario import Kind, Scenario, draw

UNFLUSHED_S: Final = 1.0


class _LateDisk(Tables):
    """Commits reach the disk some time after they were acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[tuple[float, Row]] = []

    def insert(self, rows: Sequence[Row]) -> None:
        super().insert(rows)
        now_s = asyncio.get_running_loop().time()
        self._written += [(now_s, row) for row in rows]

    def crashed(self) -> None:
        since_s = asyncio.get_running_loop().time() - UNFLUSHED_S
        for at_s, row in reversed(self._written):
            if at_s >= since_s:
                self.chats[row["chat_id"]].log.remove(row)
                self.chats[row["chat_id"]].last_seq -= 1
                del self.by_name[row["sender_id"], row["client_id"]]
        self._written.clear()


class AcknowledgesBeforeItIsDurable(Sabotage):
    """As with `synchronous_commit` off."""

    def tables(self) -> Tables:
        return _LateDisk()


class _NoIndex(Tables):
    def require_new(self, names: Sequence[tuple[int, int]]) -> None:
        """Whatever it is, it is new."""


class WritesAResendAgain(Sabotage):
    """As without the unique index."""

    def tables(self) -> Tables:
        return _NoIndex()


class _Swapped(Tables):
    def insert(self, rows: Sequence[Row]) -> None:
        for one, two in itertools.pairwise(rows):
            if one["chat_id"] == two["chat_id"]:
                one["seq"], two["seq"] = two["seq"], one["seq"]
                break
        super().insert(sorted(rows, key=lambda row: row["seq"]))


class SwapsTwoOfABatch(Sabotage):
    """As if the rows of a batch were numbered in another order than they are answered."""

    def tables(self) -> Tables:
        return _Swapped()


class _Sequence(Tables):
    def append(self, batch: Batch) -> list[Row]:
        try:
            return super().append(batch)
        except Exception:
            for chat in batch.distinct:
                self.chats[chat].last_seq += 1
            raise


class LeavesAGapWhenRolledBack(Sabotage):
    """As with a sequence for `seq`."""

    def tables(self) -> Tables:
        return _Sequence()


class _Pushless(Hub):
    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        super().on_envelopes(envelopes[: len(envelopes) - 1 or 1])


class DropsAPushAmongMany(Sabotage):
    """The last of a batch reaches nobody, and nobody is told."""

    def hub(self, note_ended: Callable[[DeviceId], None]) -> Hub:
        return _Pushless(note_ended)


class _Deaf(Hub):
    def on_gap(self) -> None:
        """Never mind."""

    def on_gap_for(self, users: Collection[UserId], chats: Collection[ChatId]) -> None:
        """Never mind."""


class TellsNobodyOfAGap(Sabotage):
    """The gateway hears that pushes were lost, and nobody has to sync."""

    def hub(self, note_ended: Callable[[DeviceId], None]) -> Hub:
        return _Deaf(note_ended)


class _Forgetful(Routing):
    _calls = 0

    async def add(self, users: Iterable[UserId]) -> None:
        self._calls += 1
        if self._calls % 2 == 0:
            await super().add(users)


class ForgetsARoute(Sabotage):
    """Somebody is welcomed whom other gateways cannot find."""

    def routing(self, redis: Redis, prefix: str, gateway: GatewayId) -> Routing:
        return _Forgetful(redis, prefix, gateway)


class _Aloof(Hub):
    def hears(self, user: UserId, chats: Collection[ChatId]) -> bool:
        return False


class ForgetsWhoHearsABroadcast(Sabotage):
    """Somebody is welcomed before it is known which large chats they are in."""

    def hub(self, note_ended: Callable[[DeviceId], None]) -> Hub:
        return _Aloof(note_ended)


class _Discreet:
    """A bus on which losses are not spoken of."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def deliver(self, envelopes: Sequence[Envelope]) -> None:
        await self._broker.deliver(envelopes)

    async def announce_gap(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        """What could not be published is forgotten."""

    async def announce_end(self, device: DeviceId) -> None:
        await self._broker.announce_end(device)

    async def announce_chat_changed(
        self, chat: ChatId, version: int, users: Sequence[UserId]
    ) -> None:
        await self._broker.announce_chat_changed(chat, version, users)


class HidesThatTheBusFailed(Sabotage):
    """Whom a push could not reach is not told."""

    def scenario(self, dice: random.Random) -> Scenario:
        return draw(dice, [Kind.CUT_BUS])

    def broker(self, broker: Broker) -> Broker:
        return _Discreet(broker)


class _Unmissed(Register):
    async def look_round(self) -> None:
        """Whoever is gone is gone."""


class MissesNoDeadGateway(Sabotage):
    """What a gateway took along when it died is told to nobody."""

    def scenario(self, dice: random.Random) -> Scenario:
        drawn = draw(dice, [Kind.KILL_GATEWAY])  # others let people sync before anybody sees it
        return replace(drawn, latency_s=0.002, bus_latency_s=0.3)

    def register(self, redis: Redis, prefix: str, gateway: GatewayId, broker: Broker) -> Register:
        return _Unmissed(redis, prefix, gateway, broker)


class _Hasty(Outbox):
    def due(self, now_s: float) -> list[Pending]:
        return super().due(now_s)[::-1]


class SendsTheNewestFirst(Sabotage):
    """The outbox is a stack."""

    def outbox(self, pending: Iterable[Pending]) -> Outbox:
        return _Hasty(pending)


class _Restless(Outbox):
    def next_due_s(self) -> float | None:
        return min(self._not_before_s.values(), default=None)


class LooksAgainAndAgain(Sabotage):
    """A message that is held up by another is asked for all the time. The SDK did this once."""

    def outbox(self, pending: Iterable[Pending]) -> Outbox:
        return _Restless(pending)


class ForgetsTheOutbox(Sabotage):
    """What was not sent is not in the session file."""

    def saved(self, state: bytes) -> bytes:
        decoded = msgspec.json.decode(state, type=State)
        decoded.pending = []
        return msgspec.json.encode(decoded)


class _Ahead(Session):
    def kept(self) -> dict[int, Kept]:
        ready = {chat: log.received for chat, log in self._logs.items()}
        return {chat: Kept(ready[chat], one.withheld) for chat, one in super().kept().items()}


class SavesWhatWasNotHandedOver(Sabotage):
    """The session file is ahead of the person."""

    session = _Ahead


class _Careless(Session):
    def take_push(self, push: Push, now_s: float) -> None:
        if not isinstance(push, Resync):
            super().take_push(push, now_s)


class IgnoresAResync(Sabotage):
    """The client is told that it may have missed something, and asks for nothing."""

    session = _Careless


class _Complacent(Session):
    def disconnected(self) -> None:
        super().disconnected()
        self._unanswered = self.outbox.pending

    def connected(self) -> None:
        super().connected()
        for pending in getattr(self, "_unanswered", ()):
            self.outbox.sent_out(pending.client_id)


class NeverSendsAgain(Sabotage):
    """What was in flight when a connection broke is taken for sent."""

    session = _Complacent


ALL: Final[tuple[type[Sabotage], ...]] = (
    AcknowledgesBeforeItIsDurable,
    WritesAResendAgain,
    SwapsTwoOfABatch,
    LeavesAGapWhenRolledBack,
    DropsAPushAmongMany,
    TellsNobodyOfAGap,
    ForgetsARoute,
    ForgetsWhoHearsABroadcast,
    HidesThatTheBusFailed,
    MissesNoDeadGateway,
    SendsTheNewestFirst,
    LooksAgainAndAgain,
    ForgetsTheOutbox,
    SavesWhatWasNotHandedOver,
    IgnoresAResync,
    NeverSendsAgain,
)
