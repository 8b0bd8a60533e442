"""Places in the world where a fault of the product can be planted. None is, by default.

The faults themselves are in `planted.py`: they prove that the judge would see a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hodhod._outbox import Outbox
from hodhod._session import Session
from hodhod_server.cluster.broker import Broker
from hodhod_server.cluster.routing import Routing
from hodhod_server.gateway.hub import Hub
from hodhod_server.store.group_commit import Committed
from tests.simulation.postgres_tables import Tables

Announce = Callable[[Sequence[Committed]], None]


class Sabotage:
    """A world as it should be."""

    def tables(self) -> Tables:
        return Tables()

    def hub(self, hub: Hub) -> Hub:
        return hub

    def routing(self, routing: Routing) -> Routing:
        return routing

    def broker(self, broker: Broker) -> Broker:
        return broker

    def announce(self, announce: Announce) -> Announce:
        return announce

    def outbox(self, outbox: Outbox) -> Outbox:
        return outbox

    def session(self, session: Session) -> None:
        """Whatever is to be done to a new session."""

    def saved(self, state: bytes) -> bytes:
        """What really reaches the disk."""
        return state
