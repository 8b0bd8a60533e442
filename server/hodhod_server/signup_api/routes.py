"""The sign-up edge put together: its services and its endpoints."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from hodhod_server.services.returning import Returning
from hodhod_server.services.signup import Signup
from hodhod_server.signup_api import challenges, links, outbox, passkeys, recovery, sessions
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.web.endpoints import add_endpoints

ENDPOINTS: Final = (
    *challenges.ENDPOINTS,
    *sessions.ENDPOINTS,
    *recovery.ENDPOINTS,
    *links.ENDPOINTS,
    *passkeys.ENDPOINTS,
)


def add_signup_api(app: web.Application, signup: Signup, returning: Returning) -> None:
    """Serve newcomers and those who come back."""
    app[challenges.SIGNUP] = signup
    app[sessions.SESSIONS] = returning.entrance.sessions
    app[passkeys.PASSKEYS] = returning.passkeys
    app[links.LINKS] = returning.links
    app[recovery.RETURNS] = returning.returns
    add_endpoints(app, ENDPOINTS)


def add_outbox(app: web.Application, console: ConsoleProvider) -> None:
    """Serve the console provider's texts, for development."""
    app[outbox.CONSOLE] = console
    add_endpoints(app, outbox.ENDPOINTS)
