"""The sign-up edge put together: its services and its endpoints."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_server.domain.addresses import Networks
from hodhod_server.services.gatekeeper import Gatekeeper
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.signup import Signup
from hodhod_server.signup_api import challenges, gate, outbox, sessions
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.web.endpoints import add_endpoints

ENDPOINTS: Final = (*challenges.ENDPOINTS, *sessions.ENDPOINTS)


def add_signup_api(app: web.Application, signup: Signup, returning: Sessions) -> None:
    """Serve newcomers and those who come back."""
    app[gate.SIGNUP] = signup
    app[sessions.SESSIONS] = returning
    add_endpoints(app, ENDPOINTS)


def add_outbox(app: web.Application, console: ConsoleProvider) -> None:
    """Serve the console provider's texts, for development."""
    app[outbox.CONSOLE] = console
    add_endpoints(app, outbox.ENDPOINTS)


def add_gate(app: web.Application, gatekeeper: Gatekeeper, proxies: Networks) -> None:
    """Let newcomers in as the gatekeeper says; `proxies` are believed about addresses."""
    app[gate.GATEKEEPER] = gatekeeper
    app[gate.PROXIES] = proxies
