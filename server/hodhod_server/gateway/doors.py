"""Coming in and going out: the token is checked, the hub and the routing table know who is here."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.domain.errors import Unauthenticated
from hodhod_server.domain.load import Work
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway.hub import Hub, Receiver
from hodhod_server.services.admission import Admission
from hodhod_server.services.audiences import Audiences
from hodhod_server.web.callers import Authenticator
from hodhod_wire.close_codes import CloseCode


class Guest(Protocol):
    """A connection that may not have said hello yet."""

    def disconnect(self, code: CloseCode) -> None:
        """End the connection soon."""


class Doors:
    """The way into this process for its connections."""

    def __init__(
        self,
        authenticator: Authenticator,
        hub: Hub,
        routes: RouteKeeper,
        audiences: Audiences,
        admission: Admission,
    ) -> None:
        self._authenticator = authenticator
        self._hub = hub
        self._routes = routes
        self._audiences = audiences
        self._admission = admission
        self._guests: dict[Guest, None] = {}  # in order of arrival
        self._closed_with: CloseCode | None = None

    def come(self, guest: Guest) -> None:
        """A connection has been made; `go` follows. If the doors are closed it is sent away."""
        self._guests[guest] = None
        self._admission.note_connections(len(self._guests))
        if self._closed_with is not None:
            guest.disconnect(self._closed_with)

    def go(self, guest: Guest) -> None:
        """The connection is over."""
        self._guests.pop(guest, None)
        self._admission.note_connections(len(self._guests))

    def close(self, code: CloseCode) -> None:
        """The process stops: everybody is sent away, whoever still comes too."""
        self._closed_with = code
        for guest in self._guests:
            guest.disconnect(code)

    @property
    def reconnect_within_ms(self) -> int:
        """Over how long people are to spread their return, should this process end."""
        return self._admission.reconnect_within_ms

    async def require_room(self) -> None:
        """Before somebody is let in: their turn, if there is one. Raises `Overloaded`."""
        self._admission.admit(Work.HELLO)
        await self._admission.pace()

    def authenticate(self, token: str | None) -> Caller:
        """Whom a token proves. Raises `Unauthenticated`, also where there is none."""
        if token is None:
            raise Unauthenticated
        return self._authenticator.authenticate(token)

    async def enter(self, receiver: Receiver) -> None:
        """Returns when pushes for this person come here. `leave` follows, even if cancelled."""
        user = receiver.caller.user
        self._hub.add(receiver)
        heard = self._audiences.arrive(user)
        await self._routes.arrive(user)
        await asyncio.shield(heard)  # others may wait for the same

    def leave(self, receiver: Receiver) -> None:
        """No more pushes for this connection."""
        self._hub.remove(receiver)
        self._routes.depart(receiver.caller.user)
