"""One HTTP provider's own line: asked within `SEND_S`, and whatever it does becomes a value.

Each provider has its own pool of connections, name look-ups and limit, so one that hangs holds
nothing of another's. What matters about a failure is whether the request had left: before, the
person cannot get a text from it; after, perhaps.

Always true: nothing a provider does raises here. Addresses, keys, numbers, codes and texts are
neither logged nor shown by any `repr` (some providers want their key in the path).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from hodhod_server.domain.phone import Phone
from hodhod_server.sms.provider import SEND_S, CodeMessage, Outcome, OutcomeClass

CONNECT_S: Final = 2.0
KEEP_ALIVE_S: Final = 4.0  # Apache hangs up after five: a request must not meet that
NAMES_KEPT_S: Final = 60
CONNECTIONS_ASIDE: Final = 3  # inbox, receipts and credit take no place of a send
BODY_BYTES_MAX: Final = 256 * 1024  # a hundred texts of an inbox with room to spare
RETRY_AFTER_S_MAX: Final = 3600.0
ADDRESSES_KEPT_MAX: Final = 32
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
JSON: Final = {"Content-Type": "application/json"}
NO_BODY: Final[Mapping[str, str]] = {}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask. `path` follows the base address; at most one of `form` and `json`."""

    path: str
    method: str = "POST"
    query: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None
    json: Any = None
    headers: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        return "Request()"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. A body over `BODY_BYTES_MAX`, or cut off, is empty."""

    status: int
    body: bytes = b""
    retry_after_s: float | None = None

    def __repr__(self) -> str:
        return f"Answer({self.status})"

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def decoded(self) -> Any:
        """The JSON in the body; None for anything else."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class Unanswered(msgspec.Struct, frozen=True):
    """No answer. `is_written`: the request had left, so it may have been obeyed."""

    is_written: bool

    @property
    def outcome(self) -> Outcome:
        """What that means for a send."""
        if self.is_written:
            return Outcome(kind=OutcomeClass.AMBIGUOUS, answer="no answer")
        return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer="no connection")


class HttpSender:
    """The line to one provider."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._addresses: dict[str, URL] = {}

    async def send(
        self,
        message: CodeMessage,
        request_for: Callable[[CodeMessage, Phone], Request],
        judge: Callable[[Answer], Outcome],
    ) -> Outcome:
        """Hand a code over: how to ask, and what the answer means, are the provider's."""
        if not isinstance(message.to, Phone):
            return Outcome(kind=OutcomeClass.RECIPIENT, answer="no number")
        answer = await self.ask(request_for(message, message.to))
        return answer.outcome if isinstance(answer, Unanswered) else judge(answer)

    async def ask(self, request: Request) -> Answer | Unanswered:
        """Ask once. A redirect is an answer: what we send is for nobody else."""
        written = SimpleNamespace(is_written=False)
        try:
            async with asyncio.timeout(SEND_S):
                return await self._exchange(request, written)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return Unanswered(is_written=written.is_written)

    async def find(self, request: Request) -> Any:
        """The JSON of a successful answer; None where there is none."""
        answer = await self.ask(request)
        if isinstance(answer, Unanswered) or not answer.is_success:
            return None
        return answer.decoded()

    async def _exchange(self, request: Request, written: SimpleNamespace) -> Answer:
        kind, body = _written(request)
        async with self._session.request(
            request.method,
            self._address(request.path),
            params=request.query,
            data=body,
            headers={**kind, **(request.headers or {})},
            allow_redirects=False,
            trace_request_ctx=written,
        ) as response:
            return Answer(
                status=response.status,
                body=await _body(response),
                retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")),
            )

    def _address(self, path: str) -> URL:
        """Parsed once: most kinds have a few paths and no more."""
        known = self._addresses.get(path)
        if known is None:
            known = URL(self._base_url + path)
            if len(self._addresses) < ADDRESSES_KEPT_MAX:
                self._addresses[path] = known
        return known


def _written(request: Request) -> tuple[Mapping[str, str], bytes | None]:
    """The body, and what it is. aiohttp's own way builds a form of parts for each request."""
    if request.form is not None:
        return FORM, urlencode(request.form).encode()
    if request.json is not None:
        return JSON, msgspec.json.encode(request.json)
    return NO_BODY, None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The status alone tells much, so a broken body is an empty one."""
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                response.close()
                return b""
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""
    return bytes(body)


def _retry_after_s(text: str) -> float | None:
    """Seconds; the form with a date is not worth its doubts about clocks."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        return None
    return min(float(text), RETRY_AFTER_S_MAX)


def outcome_of_status(answer: Answer) -> Outcome:
    """What an HTTP status says by itself. A success that cannot be read may have been one."""
    return Outcome(
        kind=_kind_of_status(answer.status),
        answer=f"http {answer.status}",
        retry_after_s=answer.retry_after_s,
    )


def _kind_of_status(status: int) -> OutcomeClass:
    if 200 <= status < 300 or status == 504:  # the gateway gave up waiting for whom it had asked
        return OutcomeClass.AMBIGUOUS
    if status == 429:
        return OutcomeClass.THROTTLED
    if status >= 500 or status == 408:
        return OutcomeClass.PROVIDER_FAULT
    return OutcomeClass.CONFIG


async def _note_written(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.is_written = True


@contextlib.asynccontextmanager
async def open_http(base_url: str, in_flight_max: int) -> AsyncIterator[HttpSender]:
    """A line with its own pool; proxies named in the environment are not used."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_note_written)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=in_flight_max + CONNECTIONS_ASIDE,
            keepalive_timeout=KEEP_ALIVE_S,
            ttl_dns_cache=NAMES_KEPT_S,
        ),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "hodhod", "Accept": "application/json"},
        trust_env=False,
        trace_configs=[tracing],
    ) as session:
        yield HttpSender(session, base_url)
