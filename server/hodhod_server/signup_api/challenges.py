"""The newcomer's edge: ask for a code, follow it, choose another way, show it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web

from hodhod_server.domain.challenges import ChallengeState, Locale
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.codes import CODE_DIGITS
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import Way
from hodhod_server.domain.load import Work
from hodhod_server.domain.ownership import Evidence
from hodhod_server.domain.phone import parse_phone
from hodhod_server.services.gatekeeper import Attempt
from hodhod_server.services.signup import ChallengeStatus, Newcomer, Proof
from hodhod_server.signup_api import gate
from hodhod_server.signup_api.entrants import DeviceDescription, entrant_of
from hodhod_server.signup_api.gate import PROVING, SIGNUP
from hodhod_server.signup_api.sessions import SessionAnswer, session_answer
from hodhod_server.web.bodies import answer, query_int, read
from hodhod_server.web.callers import bearer_token
from hodhod_server.web.endpoints import Endpoint

PATH: Final = "/v1/signup"
VERSION_MAX: Final = 2**31 - 1
WAIT_S_MAX: Final = 600  # more is cut to `signup.long_poll_s` as well


class ClientDescription(msgspec.Struct, frozen=True, kw_only=True):
    """Which program reads the text. `app_hash`: of an Android program, for SMS Retriever."""

    kind: ClientKind = ClientKind.GENERIC
    app_hash: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{11}$")] | None = None


class StartSignup(msgspec.Struct, frozen=True, kw_only=True):
    """A number, in any spelling, and the language of the text.

    `ticket`: of the waiting room. `proof`: of the work that was asked for. `invite`: a voucher.
    `text_at_once`: the newcomer has no other device at hand that could be asked first.
    `wait_s`: answer once the code was handed over, if that is likely within so many seconds; a
    question after the status is saved by it. Without: at once.
    """

    phone: str
    device: DeviceDescription
    locale: Locale = "fa"
    client: ClientDescription = ClientDescription()
    ticket: str | None = None
    proof: str | None = None
    invite: str | None = None
    text_at_once: bool = False
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=WAIT_S_MAX)] = 0.0

    def __repr__(self) -> str:
        return "StartSignup()"


class ChooseWay(msgspec.Struct, frozen=True, kw_only=True):
    """Which way the code should go. A text comes by itself; a call is made when asked for."""

    secret: str
    channel: Way = Way.SMS

    def __repr__(self) -> str:
        return f"ChooseWay(channel={self.channel!r})"


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """Whose challenge it is."""

    secret: str

    def __repr__(self) -> str:
        return "Show()"


class VerifyCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code as it was typed, unless the number was proved otherwise.

    A new number needs a name, a guarded account its PIN. `fresh` asks for a new account where the
    old one's PIN is not known and no longer needed. `proof`: of work, where that is asked for.
    """

    secret: str
    code: str | None = None
    name: str | None = None
    proof: str | None = None
    pin: str | None = None
    totp: str | None = None
    fresh: bool = False

    def __repr__(self) -> str:
        return "VerifyCode()"


class AcceptCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code as it was typed, to prove the number and not sign in."""

    secret: str
    code: str

    def __repr__(self) -> str:
        return "AcceptCode()"


class Eta(msgspec.Struct, frozen=True):
    """Seconds until the code is handed over: half of the people, and nine of ten, wait less."""

    p50: float
    p90: float


class NextWay(msgspec.Struct, frozen=True):
    """A way for the code, and from when on. The best is named first."""

    channel: str
    at: int


class InboundText(msgspec.Struct, frozen=True):
    """What to send to which of our numbers, instead of getting a code."""

    line: str
    text: str

    def __repr__(self) -> str:
        return f"InboundText(line={self.line!r})"


class ChallengeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How a challenge stands. Times in ms since the epoch; null while no code was sent.

    `version` grows with every change. `tag` tells apart the codes of two devices. Before
    `try_again_at` no code is compared. `come_back_at`: do not ask again before.
    Who approves in a device that is signed in already has to name `sign_in_number`.
    """

    id: str
    version: int
    state: ChallengeState
    channel: str
    sent_at: int | None
    expires_at: int | None
    eta: Eta | None
    next: list[NextWay]
    tries_left: int
    try_again_at: int | None
    tag: str
    inbound: InboundText | None
    come_back_at: int | None
    sign_in_number: int
    code_length: int = CODE_DIGITS


class NewChallenge(ChallengeAnswer, frozen=True, kw_only=True):
    """A challenge and its secret, which only its starter is told."""

    secret: str

    def __repr__(self) -> str:
        return f"NewChallenge(id={self.id!r})"


async def start(request: web.Request) -> web.Response:
    """Have a code sent. The same device asking again gets the same challenge and no second text.

    202 where newcomers wait for their turn: come back with the ticket.
    """
    body = await read(request, StartSignup)
    phone, entrant = parse_phone(body.phone), entrant_of(body.device)
    admitted = await gate.enter(
        request,
        Attempt(
            phone=phone,
            device_key=entrant.public_key,
            address=gate.address_of(request),
            ticket=body.ticket,
            proof=body.proof,
            invite=body.invite,
        ),
    )
    if isinstance(admitted, web.Response):
        return admitted
    status, secret = await request.app[SIGNUP].start(
        Newcomer(
            phone=phone,
            locale=body.locale,
            device_name=entrant.name,
            platform=entrant.platform,
            public_key=entrant.public_key,
            client=body.client.kind,
            app_hash=body.client.app_hash,
            source=admitted.source,
            is_inbound_only=admitted.is_inbound_only,
            text_at_once=body.text_at_once,
        ),
        body.wait_s,
    )
    told = msgspec.structs.asdict(_challenge_answer(status))
    return answer(NewChallenge(**told, secret=secret), status=201)


async def show(request: web.Request) -> web.Response:
    """How the challenge stands. The secret is the bearer token.

    With `after` and `wait_s`: once it has changed since that version, or after so long.
    """
    proof = Proof(_challenge_id(request), bearer_token(request) or "")
    after = query_int(request, "after", maximum=VERSION_MAX)
    wait_s = query_int(request, "wait_s", maximum=WAIT_S_MAX)
    if after is None or not wait_s:
        return answer(_challenge_answer(await request.app[SIGNUP].status(proof)))
    return answer(_challenge_answer(await request.app[SIGNUP].follow(proof, after, wait_s)))


async def choose_way(request: web.Request) -> web.Response:
    """Ask for it again, or for a call. Asking changes nothing about texts: they have their plan."""
    body = await read(request, ChooseWay)
    proof = Proof(_challenge_id(request), body.secret)
    return answer(_challenge_answer(await request.app[SIGNUP].next(proof, body.channel)))


async def seen(request: web.Request) -> web.Response:
    """The program saw the text come in: nothing more needs to be sent."""
    body = await read(request, Show)
    proof = Proof(_challenge_id(request), body.secret)
    return answer(_challenge_answer(await request.app[SIGNUP].seen(proof)))


async def cancel(request: web.Request) -> web.Response:
    """No code is wanted any more."""
    body = await read(request, Show)
    proof = Proof(_challenge_id(request), body.secret)
    return answer(_challenge_answer(await request.app[SIGNUP].cancel(proof)))


async def verify(request: web.Request) -> web.Response:
    """Show the code and be let in. A lost answer can be asked for again."""
    body = await read(request, VerifyCode)
    proof = Proof(_challenge_id(request), body.secret)
    evidence = Evidence(name=body.name, pin=body.pin, totp=body.totp, wants_fresh=body.fresh)
    session = await gate.verify(request, proof, body.code, evidence, body.proof)
    return answer(session_answer(session))


async def accept(request: web.Request) -> web.Response:
    """Prove the number without signing in, to change to it."""
    body = await read(request, AcceptCode)
    proof = Proof(_challenge_id(request), body.secret)
    challenge = await request.app[PROVING].accept(proof, body.code)
    return answer(_challenge_answer(request.app[SIGNUP].status_of(challenge)))


def _challenge_id(request: web.Request) -> ChallengeId:
    return ChallengeId(request.match_info["challenge"])


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)


def _challenge_answer(status: ChallengeStatus) -> ChallengeAnswer:
    inbound = status.inbound
    return ChallengeAnswer(
        id=status.challenge,
        version=status.version,
        state=status.state,
        channel=status.way,
        sent_at=_ms(status.sent_at),
        expires_at=_ms(status.expires_at),
        eta=None if status.wait_s is None else Eta(*(round(wait, 1) for wait in status.wait_s)),
        next=[NextWay(step.way, to_ms(step.at)) for step in status.next],
        tries_left=status.tries_left,
        try_again_at=_ms(status.try_again_at),
        tag=status.tag,
        inbound=None if inbound is None else InboundText(inbound.line, inbound.text),
        come_back_at=_ms(status.come_back_at),
        sign_in_number=status.sign_in_number,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path=PATH,
        handler=start,
        work=Work.NEWCOMER,
        summary="Have a code sent to a number.",
        takes=StartSignup,
        gives=NewChallenge,
        status=201,
        may_wait=gate.WaitingAnswer,
        is_public=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/signup/{challenge}",
        handler=show,
        summary="How a challenge stands, now or once it changes; its secret is the bearer token.",
        gives=ChallengeAnswer,
        query=("after", "wait_s"),
    ),
    Endpoint(
        method="POST",
        path="/v1/signup/{challenge}/next",
        handler=choose_way,
        summary="Ask for the code another way; texts come again by themselves.",
        takes=ChooseWay,
        gives=ChallengeAnswer,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/signup/{challenge}/seen",
        handler=seen,
        summary="Tell that the text has come.",
        takes=Show,
        gives=ChallengeAnswer,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/signup/{challenge}/cancel",
        handler=cancel,
        summary="Tell that no code is wanted any more.",
        takes=Show,
        gives=ChallengeAnswer,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/signup/{challenge}/verify",
        handler=verify,
        summary="Show the code and be let in.",
        takes=VerifyCode,
        gives=SessionAnswer,
        is_public=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/signup/{challenge}/accept",
        handler=accept,
        summary="Show the code to prove the number, without signing in.",
        takes=AcceptCode,
        gives=ChallengeAnswer,
        is_public=True,
    ),
)
