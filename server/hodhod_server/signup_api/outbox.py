"""`GET /dev/outbox`: the texts of the console sender. Served only where that sender is used."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.phone import parse_phone
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.web.bodies import answer
from hodhod_server.web.endpoints import Endpoint

CONSOLE: Final = web.AppKey("CONSOLE", ConsoleProvider)


class OutboxText(msgspec.Struct, frozen=True):
    """A text that would have been sent."""

    at: int
    text: str

    def __repr__(self) -> str:
        return f"OutboxText(at={self.at})"


class Outbox(msgspec.Struct, frozen=True):
    """The last texts to a number, oldest first."""

    texts: list[OutboxText]


async def show(request: web.Request) -> web.Response:
    """The last texts to a number."""
    phone = request.query.get("phone")
    if phone is None:
        raise Malformed("give phone")
    texts = request.app[CONSOLE].texts_for(parse_phone(phone))
    return answer(Outbox([OutboxText(to_ms(item.at), item.text) for item in texts]))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/dev/outbox",
        handler=show,
        summary="The last texts to a number, under the console sender.",
        gives=Outbox,
        is_public=True,
        query=("phone",),
    ),
)
