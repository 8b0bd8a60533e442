"""HTTP with JSON: a struct out, a struct in, problem documents (RFC 9457) as exceptions.

Nearly every request of the contract may be repeated without harm: one whose answer was lost is sent
again until the deadline, unless its `Call` says otherwise. What the server refuses is raised at
once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from hodhod._clock import ServerClock
from hodhod._errors import ConnectionLost, ProofRequired, Refused, ServerNotUnderstood, refusal
from hodhod._reconnect import Backoff
from hodhod_wire.frames import Titles

T = TypeVar("T")
PROBLEM_MEMBERS: Final = {"type", "title", "titles", "status", "code", "detail", "retry_after"}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the `api` role."""

    method: str
    path: str
    body: msgspec.Struct | None = None
    repeats: bool = True
    """Doing it twice is as good as once."""
    settled_by: str = ""
    """A refusal with this code, after an answer was lost, tells that it had been done."""


class Http:
    """JSON requests to one server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        clock: ServerClock,
        dice: random.Random,
        *,
        deadline_s: float,
    ) -> None:
        self._session = session
        self._clock = clock
        self._dice = dice
        self._deadline_s = deadline_s

    async def get(self, url: str, shape: type[T], *, bearer: str | None = None) -> T:
        """Read something. Raises `Refused`, `ConnectionLost`, `ServerNotUnderstood`."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        return _decode(await self._patiently("GET", url, headers=headers), shape)

    async def post(self, url: str, body: msgspec.Struct, shape: type[T]) -> T:
        """Do something that may be repeated. Raises as `get`."""
        headers = {"Content-Type": "application/json"}
        data = msgspec.json.encode(body)
        return _decode(await self._patiently("POST", url, headers=headers, data=data), shape)

    async def call(self, call: Call, url: str, shape: type[T], *, bearer: str) -> T:
        """One request to the `api` role. Raises as `get`."""
        options: dict[str, Any] = {"headers": {"Authorization": f"Bearer {bearer}"}}
        if call.body is not None:
            options["headers"]["Content-Type"] = "application/json"
            options["data"] = msgspec.json.encode(call.body)
        return _decode(await self._patiently(call.method, url, call=call, **options), shape)

    async def _patiently(
        self, method: str, url: str, *, call: Call | None = None, **options: Any
    ) -> bytes:
        backoff = Backoff(self._dice, first_s=0.2, max_s=5.0)
        last: ConnectionLost | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    try:
                        return await self._once(method, url, **options)
                    except Refused as error:
                        if last is None or call is None or error.code != call.settled_by:
                            raise
                        return b"{}"
                    except ConnectionLost as error:
                        if call is not None and not call.repeats and not _never_left(error):
                            raise
                        last = error
                        await asyncio.sleep(backoff.next_delay_s())
        except TimeoutError:
            raise last or ConnectionLost(f"no answer within {self._deadline_s:g} s") from None

    async def _once(self, method: str, url: str, **options: Any) -> bytes:
        with lost_connections():
            async with self._session.request(method, url, **options) as answer:
                body = await answer.read()
        self._clock.learn(answer.headers.get("Date"))
        if answer.status >= 400:
            raise refusal_from(answer.status, answer.headers, body)
        return body


def _never_left(error: ConnectionLost) -> bool:
    """There was no connection on which the request could have been written."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorError)


@contextlib.contextmanager
def lost_connections() -> Iterator[None]:
    """What aiohttp and the operating system raise about the network, as `ConnectionLost`."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(f"the connection failed: {type(error).__name__}") from error


def refusal_from(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """The exception for an answer that is an error; of a proxy, too, that knows no problems."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        members = {}
    code, titles = members.get("code"), members.get("titles")
    retry_after_s = seconds(members.get("retry_after", headers.get("Retry-After")))
    if retry_after_s is None and status in (429, 502, 503, 504):
        retry_after_s = 1.0
    refused = refusal(
        code if isinstance(code, str) else f"http_{status}",
        msgspec.convert(titles, Titles) if _are_titles(titles) else None,
        str(members.get("detail", "")),
        retry_after_s=retry_after_s,
        facts={
            name: value
            for name, value in members.items()
            if name not in PROBLEM_MEMBERS and isinstance(value, int | str)
        },
    )
    if isinstance(refused, ProofRequired) and isinstance(members.get("challenge"), dict):
        refused.puzzle = members["challenge"]
    return refused


def _are_titles(value: object) -> bool:
    return isinstance(value, dict) and {"en", "fa"} <= value.keys()


def seconds(value: object) -> float | None:
    """A number of seconds as it stands in a header or a problem document."""
    try:
        return None if value is None else max(0.0, float(str(value)))
    except ValueError:
        return None


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerNotUnderstood(f"the answer is not a {shape.__name__}") from error
