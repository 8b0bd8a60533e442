"""The sign-up edge put together: its services and its endpoints."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_server.services.proving import Proving
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.signup import Signup
from hodhod_server.signup_api import challenges, outbox, sessions
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.web.endpoints import add_endpoints

ENDPOINTS: Final = (*challenges.ENDPOINTS, *sessions.ENDPOINTS)


def add_signup_api(
    app: web.Application, signup: Signup, proving: Proving, returning: Sessions
) -> None:
    """Serve newcomers and those who come back."""
    app[challenges.SIGNUP] = signup
    app[challenges.PROVING] = proving
    app[sessions.SESSIONS] = returning
    add_endpoints(app, ENDPOINTS)


def add_outbox(app: web.Application, console: ConsoleProvider) -> None:
    """Serve the console provider's texts, for development."""
    app[outbox.CONSOLE] = console
    add_endpoints(app, outbox.ENDPOINTS)
