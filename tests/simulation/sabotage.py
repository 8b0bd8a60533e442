"""Places in the world where a fault of the product can be planted. None is, by default.

The faults themselves are in `planted.py`: they prove that the judge would see a real one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from redis.asyncio import Redis

from hodhod._outbox import Outbox, Pending
from hodhod._session import Session
from hodhod_server.cluster.broker import Broker
from hodhod_server.cluster.register import Register
from hodhod_server.cluster.routing import Routing
from hodhod_server.domain.ids import DeviceId, GatewayId
from hodhod_server.gateway.hub import Hub
from tests.simulation.postgres_tables import Tables
from tests.simulation.scenario import Scenario, draw


class Sabotage:
    """A world as it should be."""

    session: type[Session] = Session

    def scenario(self, dice: random.Random) -> Scenario:
        """What happens there. A fault that shows rarely may ask for more of what shows it."""
        return draw(dice)

    def tables(self) -> Tables:
        return Tables()

    def hub(self, note_ended: Callable[[DeviceId], None]) -> Hub:
        return Hub(note_ended)

    def routing(self, redis: Redis, prefix: str, gateway: GatewayId) -> Routing:
        return Routing(redis, prefix, gateway)

    def broker(self, broker: Broker) -> Broker:
        return broker

    def register(self, redis: Redis, prefix: str, gateway: GatewayId, broker: Broker) -> Register:
        return Register(redis, prefix, gateway, broker)

    def outbox(self, pending: Iterable[Pending]) -> Outbox:
        return Outbox(pending)

    def saved(self, state: bytes) -> bytes:
        """What really reaches the disk."""
        return state
