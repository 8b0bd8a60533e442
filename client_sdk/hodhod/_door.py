"""Getting through the door: waiting in the room and paying in work, so that no caller has to.

The work is PBKDF2 over a counter until a key begins as asked (ALTCHA v2). That is fifteen lines of
`hashlib`, in a thread: the package that also issues and checks such challenges would add two
thousand lines to every client for them.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import random
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec

from hodhod._clock import ServerClock
from hodhod._errors import ChallengeOver, ProofRequired, ServerNotUnderstood, TryLater
from hodhod._http import Http
from hodhod._models import Eta
from hodhod_wire.errors import ErrorCode

T = TypeVar("T")
ALGORITHM: Final = "PBKDF2/SHA-256"
COST_MAX: Final = 100_000
COUNTER_MAX: Final = 2**32
PROOFS_MAX: Final = 4
PATIENCE_S: Final = 60.0
SPREAD_S: Final = 0.5
WAITING: Final = "waiting"


OnWait = Callable[[Eta], Awaitable[None] | None]


class Knock(Protocol):
    """A body that can be sent with a ticket, and with a proof of work."""

    def with_papers(self, ticket: str | None, proof: str | None) -> msgspec.Struct: ...


class _State(msgspec.Struct, frozen=True):
    state: str


class _Place(msgspec.Struct, frozen=True):
    ticket: str
    eta: Eta
    come_back_at: int


class _Parameters(msgspec.Struct, frozen=True, rename="camel"):
    algorithm: str
    nonce: str
    salt: str
    cost: int
    key_length: int
    key_prefix: str


async def enter(
    http: Http, clock: ServerClock, url: str, knock: Knock, shape: type[T], on_wait: OnWait | None
) -> T:
    """Knock until let in: wait as long as told, solve what is asked. Raises as `Http.post`.

    A place in line that was lost (the program slept too long) is taken anew.
    """
    ticket: str | None = None

    async def send(proof: str | None) -> msgspec.Raw:
        return await http.post(url, knock.with_papers(ticket, proof), msgspec.Raw)

    while True:
        try:
            answer = await paying(send)
        except ChallengeOver as error:
            if ticket is None or error.code != ErrorCode.TICKET_INVALID:
                raise
            ticket = None
            continue
        except TryLater as error:
            if ticket is None or error.retry_after_s is None:
                raise
            await asyncio.sleep(error.retry_after_s)
            continue
        if _decode(answer, _State).state != WAITING:
            return _decode(answer, shape)
        place = _decode(answer, _Place)
        ticket = place.ticket
        await _tell(on_wait, place.eta)
        left_s = max(0.0, (place.come_back_at - clock.now_ms()) / 1000)
        await asyncio.sleep(left_s + random.random() * SPREAD_S)


async def paying(send: Callable[[str | None], Awaitable[T]]) -> T:
    """Send something, with proofs of work as they are asked for. Raises as `send`."""
    proof: str | None = None
    for _ in range(PROOFS_MAX):
        try:
            return await send(proof)
        except ProofRequired as error:
            proof = await solve(error)
    return await send(proof)


async def solve(asked: ProofRequired) -> str:
    """The proof for what is asked. Raises `asked` where it cannot be found in time."""
    try:
        parameters = msgspec.convert(asked.puzzle.get("parameters"), _Parameters)
    except msgspec.ValidationError:
        raise asked from None
    if parameters.algorithm != ALGORITHM or not 0 < parameters.cost <= COST_MAX:
        raise asked
    given_up = threading.Event()
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await asyncio.to_thread(_search, parameters, given_up)
    except TimeoutError:
        raise asked from None
    finally:
        given_up.set()
    if found is None:
        raise asked
    return _proof(asked.puzzle, found)


def _search(asked: _Parameters, given_up: threading.Event) -> tuple[int, bytes] | None:
    nonce, salt = bytes.fromhex(asked.nonce), bytes.fromhex(asked.salt)
    prefix = bytes.fromhex(asked.key_prefix)
    for counter in range(COUNTER_MAX):
        if counter % 256 == 0 and given_up.is_set():
            return None
        password = nonce + counter.to_bytes(4)
        key = hashlib.pbkdf2_hmac("sha256", password, salt, asked.cost, asked.key_length)
        if key.startswith(prefix):
            return counter, key
    return None


def _proof(puzzle: Mapping[str, object], found: tuple[int, bytes]) -> str:
    counter, key = found
    solution: dict[str, Any] = {"counter": counter, "derivedKey": key.hex()}
    told = msgspec.json.encode({"challenge": dict(puzzle), "solution": solution})
    return base64.b64encode(told).decode()


async def _tell(on_wait: OnWait | None, eta: Eta) -> None:
    if on_wait is None:
        return
    told = on_wait(eta)
    if inspect.isawaitable(told):
        await told


def _decode(answer: msgspec.Raw, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=shape)
    except msgspec.DecodeError as error:
        raise ServerNotUnderstood(f"the answer is not a {shape.__name__}") from error
