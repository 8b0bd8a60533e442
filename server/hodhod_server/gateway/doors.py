"""Coming in and going out: the token is checked, the hub and the routing table know who is here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from hodhod_server.cluster.route_keeper import RouteKeeper
from hodhod_server.domain.errors import Overloaded, Unauthenticated
from hodhod_server.domain.load import Work
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway.hub import Hub, Receiver
from hodhod_server.services.admission import Admission
from hodhod_server.services.arrivals import Step
from hodhod_server.services.audiences import Audiences
from hodhod_server.web.callers import SessionAuthenticator
from hodhod_wire.close_codes import CloseCode


class Guest(Protocol):
    """A connection that may not have said hello yet."""

    def disconnect(self, code: CloseCode) -> None:
        """End the connection soon."""


class Doors:
    """The way into this process for its connections."""

    def __init__(
        self,
        authenticator: SessionAuthenticator,
        hub: Hub,
        routes: RouteKeeper,
        audiences: Audiences,
        admission: Admission,
    ) -> None:
        self.admission: Final = admission
        self._authenticator = authenticator
        self._hub = hub
        self._routes = routes
        self._audiences = audiences
        self._guests: dict[Guest, None] = {}  # in order of arrival
        self._closed_with: CloseCode | None = None

    def come(self, guest: Guest) -> None:
        """A connection has been made; `go` follows. If the doors are closed it is sent away."""
        self._guests[guest] = None
        self.admission.note_connections(len(self._guests))
        if self._closed_with is not None:
            guest.disconnect(self._closed_with)

    def go(self, guest: Guest) -> None:
        """The connection is over."""
        self._guests.pop(guest, None)
        self.admission.note_connections(len(self._guests))

    def close(self, code: CloseCode) -> None:
        """The process stops: everybody is sent away, whoever still comes too."""
        self._closed_with = code
        for guest in self._guests:
            guest.disconnect(code)

    @property
    def reconnect_within_ms(self) -> int:
        """Over how long people are to spread their return, should this process end."""
        return self.admission.reconnect_within_ms

    def wait_for_turn(self, step: Step) -> None:
        """Take the step of who said hello when it is its turn. Raises `Overloaded`."""
        self.admission.admit(Work.HELLO)
        self.admission.pace(step)

    def refusal(self) -> Overloaded:
        """The answer to whose turn came too late."""
        return self.admission.refusal(Work.HELLO)

    def authenticate(self, token: str) -> Caller:
        """Whom a token proves. Raises `Unauthenticated`."""
        return self._authenticator.authenticate(token)

    def require_session(self, caller: Caller) -> None:
        """Whose token was good a moment ago. Raises `Unauthenticated` if the session has ended."""
        if self._authenticator.has_ended(caller.device):
            raise Unauthenticated

    def enter(self, receiver: Receiver, then: Callable[[], None]) -> None:
        """Calls `then` when pushes for this person come here. `leave` follows in any case."""
        user = receiver.caller.user
        self._hub.add(receiver)
        heard, routed = self._audiences.arrive(user), self._routes.arrive(user)
        heard.add_done_callback(partial(_after, routed, then))

    def leave(self, receiver: Receiver) -> None:
        """No more pushes for this connection."""
        self._hub.remove(receiver)
        self._routes.depart(receiver.caller.user)


def _after(routed: asyncio.Future[None], then: Callable[[], None], _: object) -> None:
    routed.add_done_callback(partial(_call, then))


def _call(then: Callable[[], None], _: object) -> None:
    then()
