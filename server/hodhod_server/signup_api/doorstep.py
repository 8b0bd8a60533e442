"""The doorstep: who cannot come in anyway is told so before anything is done for them.

When ten times as many come as can be served, refusing them is most of the work: aiohttp takes 0.3
ms for the shortest answer. Here a whole request for a code, in the first bytes of a connection or
after a refusal on it, is answered by the protocol itself. All else goes to aiohttp as it came:
other requests, bodies in pieces, whoever has a ticket, an invitation or a code on its way.

Always true: nobody is refused here who would be let in behind it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from http import HTTPStatus
from typing import Final, cast

import msgspec
from aiohttp import web

from hodhod_server.domain.errors import HodhodError, Overloaded
from hodhod_server.domain.load import Work
from hodhod_server.domain.phone import parse_phone
from hodhod_server.services.admission import Gate
from hodhod_server.services.gatekeeper import Gatekeeper
from hodhod_server.signup_api.challenges import PATH, StartSignup
from hodhod_server.signup_api.entrants import device_key_of
from hodhod_server.telemetry import metrics
from hodhod_server.web.problems import HTTP_STATUS, problem
from hodhod_server.web.serving import FRONT, Front
from hodhod_wire.errors import ErrorCode

BEGINNING: Final = f"POST {PATH} HTTP/1.1\r\n".encode()
END: Final = b"\r\n\r\n"
STAYS_S: Final = 30.0
"""So long a client may say nothing, or come again after a refusal, over one connection."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d{1,6})\r\n")
_PERSIAN: Final = re.compile(rb"\r\naccept-language: *fa")
_STATUS: Final = HTTPStatus(HTTP_STATUS[ErrorCode.OVERLOADED])
_BEGIN: Final = f"HTTP/1.1 {_STATUS.value} {_STATUS.phrase}\r\n"
_REQUESTS: Final = metrics.HTTP_REQUESTS.labels("POST", str(_STATUS.value))
_REFUSALS: Final = metrics.REFUSALS.labels(str(ErrorCode.OVERLOADED))
_BODY: Final = msgspec.json.Decoder(StartSignup)


def add_doorstep(app: web.Application, gate: Gate, gatekeeper: Gatekeeper) -> None:
    """Refuse newcomers in front of aiohttp where neither of the two has room for them."""
    app[FRONT] = Front(_Doorstep(gate, gatekeeper).first)


class _Doorstep:
    """Looks at first bytes."""

    def __init__(self, gate: Gate, gatekeeper: Gatekeeper) -> None:
        self._gate = gate
        self._gatekeeper = gatekeeper

    def first(self, server: web.Server) -> asyncio.Protocol:
        """Who reads the first bytes of a connection."""
        return _Visitor(self, server)

    def find_answer(self, request: bytes) -> bytes | None:
        """The answer to a request that is whole and for which there is no room."""
        is_shut = not self._gate.is_open(Work.NEWCOMER)
        if not (is_shut or self._gatekeeper.is_room_full) or not request.startswith(BEGINNING):
            return None
        head, end, body = request.partition(END)
        head = head.lower() + b"\r\n"
        length = _LENGTH.search(head)
        if not end or length is None or int(length[1]) != len(body):
            return None
        refusal = self._gate.refusal(Work.NEWCOMER) if is_shut else self._find_overflow(body)
        if refusal is None:
            return None
        return _written(refusal, wants_persian=_PERSIAN.search(head) is not None)

    def _find_overflow(self, body: bytes) -> Overloaded | None:
        """Not for what cannot be read: that has answers of its own."""
        try:
            told = _BODY.decode(body)
            if told.ticket is not None or told.invite is not None:
                return None
            return self._gatekeeper.find_overflow(
                parse_phone(told.phone), device_key_of(told.device)
            )
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, HodhodError):
            return None


class _Visitor(asyncio.Protocol):
    """A connection until it has something that is aiohttp's to answer."""

    __slots__ = ("_doorstep", "_leaving", "_line", "_loop", "_server", "_stays_until_s")

    def __init__(self, doorstep: _Doorstep, server: web.Server) -> None:
        self._doorstep = doorstep
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._line: asyncio.Transport | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._stays_until_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = cast(asyncio.Transport, transport)  # what uvloop has is one by its methods
        self._stays_until_s = self._loop.time() + STAYS_S
        self._look_later()

    def data_received(self, data: bytes) -> None:
        line = self._line
        if line is None or line.is_closing():
            return
        answer = self._doorstep.find_answer(data)
        if answer is not None:
            line.write(answer)
            self._stays_until_s = self._loop.time() + STAYS_S
            return
        self._let_go()
        http = self._server()
        line.set_protocol(http)
        http.connection_made(line)
        http.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._let_go()

    def _look_later(self) -> None:
        """A timer for each time they came would cost as much as reading what they say."""
        self._leaving = self._loop.call_at(self._stays_until_s, self._leave_if_silent)

    def _leave_if_silent(self) -> None:
        if self._line is None:
            return
        if self._loop.time() < self._stays_until_s:
            self._look_later()
        else:
            self._line.close()

    def _let_go(self) -> None:
        self._line = None
        if self._leaving is not None:
            self._leaving.cancel()


def _written(refusal: Overloaded, *, wants_persian: bool) -> bytes:
    request_id = secrets.token_hex(8)
    _, headers, body = problem(refusal, request_id, wants_persian=wants_persian)
    _REQUESTS.inc()
    _REFUSALS.inc()
    told = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{_BEGIN}{told}X-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
