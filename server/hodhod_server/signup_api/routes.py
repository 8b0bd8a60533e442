"""The sign-up edge put together: its services and its endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from hodhod_server.domain.addresses import Networks
from hodhod_server.services.gatekeeper import Gatekeeper
from hodhod_server.services.proving import Proving
from hodhod_server.services.returning import Returning
from hodhod_server.services.signup import Signup
from hodhod_server.signup_api import (
    callbacks,
    challenges,
    gate,
    links,
    outbox,
    passkeys,
    recovery,
    sessions,
)
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.sms.provider import Provider
from hodhod_server.web.endpoints import add_endpoints

ENDPOINTS: Final = (
    *challenges.ENDPOINTS,
    *sessions.ENDPOINTS,
    *recovery.ENDPOINTS,
    *links.ENDPOINTS,
    *passkeys.ENDPOINTS,
)
OPERATIONS: Final = (*ENDPOINTS, *callbacks.ENDPOINTS)


def add_signup_api(
    app: web.Application, signup: Signup, proving: Proving, returning: Returning
) -> None:
    """Serve newcomers and those who come back."""
    app[gate.SIGNUP] = signup
    app[gate.PROVING] = proving
    app[sessions.SESSIONS] = returning.entrance.sessions
    app[passkeys.PASSKEYS] = returning.passkeys
    app[links.LINKS] = returning.links
    app[recovery.RETURNS] = returning.returns
    add_endpoints(app, ENDPOINTS)


def add_outbox(app: web.Application, providers: Mapping[str, Provider]) -> None:
    """Serve the first console's texts, for development; nothing where there is none."""
    for provider in providers.values():
        if isinstance(provider, ConsoleProvider):
            app[outbox.CONSOLE] = provider
            add_endpoints(app, outbox.ENDPOINTS)
            return


def add_callbacks(app: web.Application, known: callbacks.Callbacks) -> None:
    """Serve what providers call. No gate is before it: what they tell ends waiting."""
    app[callbacks.CALLBACKS] = known
    add_endpoints(app, callbacks.ENDPOINTS)


def add_gate(app: web.Application, gatekeeper: Gatekeeper, proxies: Networks) -> None:
    """Let newcomers in as the gatekeeper says; `proxies` are believed about addresses."""
    app[gate.GATEKEEPER] = gatekeeper
    app[gate.PROXIES] = proxies
