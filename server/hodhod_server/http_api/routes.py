"""The JSON edge put together: which services answer, and the list of its endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from hodhod_server.http_api import (
    accounts,
    chats,
    groups,
    guards,
    invites,
    members,
    openapi,
    passkeys,
    second_proofs,
    sign_ins,
    vouchers,
    well_known,
)
from hodhod_server.http_api.addresses import PUBLIC
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.services.inside import Inside
from hodhod_server.settings import Settings
from hodhod_server.web.endpoints import Endpoint, Operation, add_endpoints

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *well_known.ENDPOINTS,
    *openapi.ENDPOINTS,
    *accounts.ENDPOINTS,
    *guards.ENDPOINTS,
    *sign_ins.ENDPOINTS,
    *second_proofs.ENDPOINTS,
    *passkeys.ENDPOINTS,
    *vouchers.ENDPOINTS,
    *chats.ENDPOINTS,
    *groups.ENDPOINTS,
    *members.ENDPOINTS,
    *invites.ENDPOINTS,
)


def add_json_api(
    app: web.Application,
    settings: Settings,
    inside: Inside,
    others: Mapping[str, Sequence[Operation]],
) -> None:
    """Serve the endpoints of this edge; `others` are the other roles', for the OpenAPI document."""
    app[INSIDE] = inside
    app[PUBLIC] = settings.public
    app[well_known.LIMITS] = well_known.limits_of(settings)
    app[openapi.DESCRIBED] = openapi.Described({"gateway": ENDPOINTS, **others})
    add_endpoints(app, ENDPOINTS)
