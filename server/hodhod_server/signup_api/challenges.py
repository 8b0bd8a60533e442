"""The newcomer's edge: ask for a code, look how it stands, have it sent again, show it."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from hodhod_server.domain.challenges import ChallengeState, Locale
from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.codes import CODE_DIGITS
from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.load import Work
from hodhod_server.domain.ownership import Evidence
from hodhod_server.domain.phone import parse_phone
from hodhod_server.services.signup import ChallengeStatus, Newcomer, Proof, Signup
from hodhod_server.signup_api.entrants import DeviceDescription, entrant_of
from hodhod_server.signup_api.sessions import SessionAnswer, session_answer
from hodhod_server.web.bodies import answer, read
from hodhod_server.web.callers import bearer_token
from hodhod_server.web.endpoints import Endpoint

SIGNUP: Final = web.AppKey("SIGNUP", Signup)


class StartSignup(msgspec.Struct, frozen=True, kw_only=True):
    """A number, in any spelling, and the language of the text."""

    phone: str
    device: DeviceDescription
    locale: Locale = "fa"

    def __repr__(self) -> str:
        return "StartSignup()"


class SendAgain(msgspec.Struct, frozen=True, kw_only=True):
    """Which way the code should go."""

    secret: str
    channel: str = "sms"

    def __repr__(self) -> str:
        return f"SendAgain(channel={self.channel!r})"


class VerifyCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code as it was typed; a new number needs a name, a guarded account its PIN.

    `fresh` asks for a new account where the old one's PIN is not known and no longer needed.
    """

    secret: str
    code: str | None = None
    name: str | None = None
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
    """A way to get the code again, and from when on."""

    channel: str
    at: int


class ChallengeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How a challenge stands. Times in ms since the epoch; null while no code was sent.

    Who approves in a device that is signed in already has to name `sign_in_number`.
    """

    id: str
    state: ChallengeState
    channel: str
    sent_at: int | None
    expires_at: int | None
    eta: Eta | None
    next: list[NextWay]
    tries_left: int
    sign_in_number: int
    code_length: int = CODE_DIGITS


class NewChallenge(ChallengeAnswer, frozen=True, kw_only=True):
    """A challenge and its secret, which only its starter is told."""

    secret: str

    def __repr__(self) -> str:
        return f"NewChallenge(id={self.id!r})"


async def start(request: web.Request) -> web.Response:
    """Have a code sent. The same device asking again gets the same challenge and no second text."""
    body = await read(request, StartSignup)
    entrant = entrant_of(body.device)
    status, secret = await request.app[SIGNUP].start(
        Newcomer(
            phone=parse_phone(body.phone),
            locale=body.locale,
            device_name=entrant.name,
            platform=entrant.platform,
            public_key=entrant.public_key,
        )
    )
    told = msgspec.structs.asdict(_challenge_answer(status))
    return answer(NewChallenge(**told, secret=secret), status=201)


async def show(request: web.Request) -> web.Response:
    """How the challenge stands. The secret is the bearer token."""
    proof = Proof(_challenge_id(request), bearer_token(request) or "")
    return answer(_challenge_answer(await request.app[SIGNUP].status(proof)))


async def send_again(request: web.Request) -> web.Response:
    """The same code once more, not before the time given in `next`."""
    body = await read(request, SendAgain)
    signup = request.app[SIGNUP]
    if body.channel != signup.channel:
        raise Malformed("no such channel; `next` names those there are")
    status = await signup.send_again(Proof(_challenge_id(request), body.secret))
    return answer(_challenge_answer(status))


async def verify(request: web.Request) -> web.Response:
    """Show the code and be let in. A lost answer can be asked for again."""
    body = await read(request, VerifyCode)
    proof = Proof(_challenge_id(request), body.secret)
    evidence = Evidence(name=body.name, pin=body.pin, totp=body.totp, wants_fresh=body.fresh)
    session = await request.app[SIGNUP].verify(proof, body.code, evidence)
    return answer(session_answer(session))


async def accept(request: web.Request) -> web.Response:
    """Prove the number without signing in, to change to it."""
    body = await read(request, AcceptCode)
    proof = Proof(_challenge_id(request), body.secret)
    return answer(_challenge_answer(await request.app[SIGNUP].accept(proof, body.code)))


def _challenge_id(request: web.Request) -> ChallengeId:
    return ChallengeId(request.match_info["challenge"])


def _challenge_answer(status: ChallengeStatus) -> ChallengeAnswer:
    return ChallengeAnswer(
        id=status.challenge,
        state=status.state,
        channel=status.channel,
        sent_at=None if status.sent_at is None else to_ms(status.sent_at),
        expires_at=None if status.expires_at is None else to_ms(status.expires_at),
        eta=None,
        next=[NextWay(step.channel, to_ms(step.at)) for step in status.next],
        tries_left=status.tries_left,
        sign_in_number=status.sign_in_number,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/signup",
        handler=start,
        work=Work.NEWCOMER,
        summary="Have a code sent to a number.",
        takes=StartSignup,
        gives=NewChallenge,
        status=201,
        is_public=True,
    ),
    Endpoint(
        method="GET",
        path="/v1/signup/{challenge}",
        handler=show,
        summary="How a challenge stands; its secret is the bearer token.",
        gives=ChallengeAnswer,
    ),
    Endpoint(
        method="POST",
        path="/v1/signup/{challenge}/next",
        handler=send_again,
        summary="Have the same code sent once more.",
        takes=SendAgain,
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
