"""The gate at the edge: where a request comes from, and what the gatekeeper says, over HTTP.

Waiting is no error: it is answered 202 with a ticket. A handler asks the gate before anything that
costs a text or a row.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from aiohttp import hdrs, web

from hodhod_server.domain.addresses import AnyAddress, Networks, client_address
from hodhod_server.domain.errors import CodeWrong
from hodhod_server.domain.models import Session
from hodhod_server.domain.ownership import Evidence
from hodhod_server.services.gatekeeper import Admitted, Attempt, Gatekeeper
from hodhod_server.services.proving import Proving
from hodhod_server.services.signup import Proof, Signup
from hodhod_server.services.waiting_room import Turn
from hodhod_server.web.bodies import answer

GATEKEEPER: Final = web.AppKey("GATEKEEPER", Gatekeeper)
SIGNUP: Final = web.AppKey("SIGNUP", Signup)
PROVING: Final = web.AppKey("PROVING", Proving)
PROXIES: Final = web.AppKey("PROXIES", Networks)


class RoomEta(msgspec.Struct, frozen=True):
    """Seconds until the code leaves: half of the people, and nine of ten, wait less."""

    p50: float
    p90: float


class WaitingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A place in line. Come back at `come_back_at` (ms since the epoch) with the `ticket`."""

    ticket: str
    eta: RoomEta
    position: int
    come_back_at: int
    text_us_first: bool
    state: Literal["waiting"] = "waiting"


def address_of(request: web.Request) -> AnyAddress | None:
    """Who is at the other end, past our own proxies."""
    forwarded = request.headers.get(hdrs.X_FORWARDED_FOR)
    return client_address(request.remote, forwarded, request.app[PROXIES])


async def enter(request: web.Request, attempt: Attempt) -> web.Response | Admitted:
    """Who may start is `Admitted`, who has to wait is answered. Raises as `Gatekeeper.admit`."""
    admitted = await request.app[GATEKEEPER].admit(attempt)
    return waiting(admitted) if isinstance(admitted, Turn) else admitted


def waiting(turn: Turn) -> web.Response:
    """What somebody in the waiting room is told."""
    told = WaitingAnswer(
        ticket=turn.ticket,
        eta=RoomEta(turn.p50_s, turn.p90_s),
        position=turn.position,
        come_back_at=turn.come_back_ms,
        text_us_first=turn.text_us_first,
    )
    return answer(told, status=202)


async def verify(
    request: web.Request, proof: Proof, code: str | None, evidence: Evidence, work: str | None
) -> Session:
    """Try a code; where many wrong ones come from, that has a price.

    Raises as `Gatekeeper.check_try` and `Proving.verify`.
    """
    gatekeeper, address = request.app[GATEKEEPER], address_of(request)
    await gatekeeper.check_try(address, proof.challenge, work)
    try:
        session = await request.app[PROVING].verify(proof, code, evidence)
    except CodeWrong:
        gatekeeper.note_wrong(address)
        raise
    gatekeeper.note_welcome(address)
    return session
