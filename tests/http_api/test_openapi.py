"""The OpenAPI document tells of everything that is served, and of nothing else."""

from __future__ import annotations

import re

from aiohttp import web

from hodhod_server import app
from hodhod_server.settings import Settings
from tests.clock import FakeClock
from tests.http_api.conftest import Ask

# Health, what OpenAPI cannot describe, and what is there for development only.
UNTOLD = {"/live", "/ready", "/metrics", "/v1/ws", "/dev/outbox"}


def served(application: web.Application) -> set[tuple[str, str]]:
    """Method and path of every route; parameters by their place only."""
    return {
        (route.method, re.sub(r"\{[^}]*\}", "{}", route.resource.canonical))
        for route in application.router.routes()
        if route.resource is not None and route.resource.canonical not in UNTOLD
    }


async def test_what_is_told_is_what_is_served(
    ask: Ask, settings: Settings, clock: FakeClock
) -> None:
    document = (await ask("GET", "/v1/openapi.json")).body
    assert document["openapi"].startswith("3.1")
    told = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, item in document["paths"].items()
        for method in item
        if method != "servers"
    }
    async with (
        app.gateway(settings, clock) as gateway,
        app.signup(settings, clock) as signup,
    ):
        both = served(gateway.app) | served(signup.app)
    assert {item for item in both if item[0] != "HEAD"} <= told
    media = {item for item in told if item[1].startswith(("/v1/uploads", "/v1/media"))}
    assert told - media <= both


async def test_every_reference_leads_somewhere(ask: Ask) -> None:
    document = (await ask("GET", "/v1/openapi.json")).body
    references = set(re.findall(r"#/components/schemas/([^'\"]+)", str(document)))
    assert references <= set(document["components"]["schemas"])
    assert {"Problem", "Chat", "Message"} <= references
