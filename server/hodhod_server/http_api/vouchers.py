"""The caller vouches for newcomers."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from hodhod_server.domain.clock import to_ms
from hodhod_server.http_api.inside import INSIDE
from hodhod_server.web.bodies import answer
from hodhod_server.web.callers import caller
from hodhod_server.web.endpoints import Endpoint


class VoucherView(msgspec.Struct, frozen=True, kw_only=True):
    """For one newcomer, who gives it as `invite` of `POST /v1/signup`, until then (ms)."""

    voucher: str
    expires_at: int

    def __repr__(self) -> str:
        return "VoucherView()"


async def mint(request: web.Request) -> web.Response:
    """One voucher more."""
    voucher, until = await request.app[INSIDE].vouchers.mint(caller(request))
    return answer(VoucherView(voucher=voucher, expires_at=to_ms(until)), status=201)


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/me/vouchers",
        handler=mint,
        summary="A voucher for a newcomer, who then waits in a shorter line.",
        gives=VoucherView,
        status=201,
    ),
)
