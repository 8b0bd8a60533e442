"""Codes through a Kannel of the operator's own: `sendsms` out, its HTTP calls back in.

Kannel keeps the SMPP binds, the queue and the retries; what it says at once is only that it took
the message, and it gives no id. So our reference to the hand-off is the id: it travels in the
address that Kannel calls with the receipt. Texts from people come as the body of a POST, because a
query cannot carry UTF-16 (docs/how-to/connect-an-smsc.md has the groups to write).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import quote

import aiohttp

from hodhod_server.domain.errors import Malformed, PhoneInvalid
from hodhod_server.domain.phone import Phone, parse_phone
from hodhod_server.settings.line_providers import KannelSettings
from hodhod_server.sms.provider import (
    SEND_S,
    Arrival,
    Callback,
    CodeMessage,
    Inbound,
    Outcome,
    OutcomeClass,
    Receipt,
    ReceiptState,
    Terms,
)

CONNECT_S: Final = 2.0
ANSWER_BYTES_MAX: Final = 4096
ANSWER_CHARS_MAX: Final = 64
TEXT_CHARS_MAX: Final = 1024
DLR_MASK: Final = 1 | 2 | 16  # delivered, failed, refused by the SMSC: what is final
_STATES: Final[Mapping[str, ReceiptState]] = {
    "1": ReceiptState.DELIVERED,
    "2": ReceiptState.UNDELIVERED,
    "4": ReceiptState.QUEUED,
    "8": ReceiptState.AT_OPERATOR,
    "16": ReceiptState.UNDELIVERED,
    "32": ReceiptState.EXPIRED,
}
_UCS2: Final = "2"


class Kannel:
    """One smsbox."""

    def __init__(
        self, settings: KannelSettings, terms: Terms, session: aiohttp.ClientSession
    ) -> None:
        self.terms = terms
        self._settings = settings
        self._session = session

    async def send(self, message: CodeMessage) -> Outcome:
        if not isinstance(message.to, Phone):
            return Outcome(kind=OutcomeClass.RECIPIENT, answer="no number")
        fields = self._fields(message, message.to)
        try:
            async with asyncio.timeout(SEND_S):
                return await self._ask(fields, message.reference)
        except aiohttp.ClientConnectorError:
            return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer="no connection")
        except aiohttp.ConnectionTimeoutError:
            return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer="no connection")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Outcome(kind=OutcomeClass.AMBIGUOUS, answer="no answer")

    def read_callback(self, callback: Callback) -> list[Arrival]:
        """A receipt (`dlr-url`) or a text (`post-url`, or `get-url` with `text=%a`)."""
        fields = callback.fields
        if "state" in fields:
            return [self._receipt(fields)]
        if "from" in fields:
            return [self._inbound(fields, callback.body)]
        raise Malformed("neither a receipt nor a text")

    async def _ask(self, fields: Mapping[str, str], reference: str) -> Outcome:
        async with self._session.get(
            self._settings.url, params=fields, allow_redirects=False
        ) as response:
            said = (await response.content.read(ANSWER_BYTES_MAX)).decode("latin-1")
            return _judge(response.status, said, reference)

    def _fields(self, message: CodeMessage, to: Phone) -> dict[str, str]:
        own = self._settings
        fields = {
            "username": own.username,
            "password": own.password.reveal().decode(),
            "from": own.source,
            "to": to.e164,
            "text": message.text,
            "charset": "UTF-8",
            "coding": "0" if message.text.isascii() else _UCS2,
            "validity": str(math.ceil(message.valid_s / 60)),
            "priority": str(own.priority),
            "dlr-mask": str(DLR_MASK),
            "dlr-url": self._receipt_url(message.reference),
        }
        return fields | ({"smsc": own.smsc} if own.smsc else {})

    def _receipt_url(self, reference: str) -> str:
        """Kannel fills in what begins with a percent sign, so ours are written twice."""
        base = self._settings.callback_url.reveal().decode().replace("%", "%%")
        ours = quote(reference, safe="").replace("%", "%%")
        return f"{base}?id={ours}&state=%d&answer=%A"

    def _receipt(self, fields: Mapping[str, str]) -> Receipt:
        if not fields.get("id"):
            raise Malformed("a receipt of no message")
        return Receipt(
            provider=self.terms.name,
            message_id=fields["id"],
            state=_STATES.get(fields["state"], ReceiptState.UNKNOWN),
            answer=fields.get("answer", "").partition(" text:")[0][:ANSWER_CHARS_MAX],
        )

    def _inbound(self, fields: Mapping[str, str], body: bytes) -> Inbound:
        try:
            sender = parse_phone(fields["from"])
        except PhoneInvalid:
            raise Malformed("a text from no number") from None
        text = fields["text"] if "text" in fields else _decoded(fields, body)
        return Inbound(
            provider=self.terms.name,
            sender=sender,
            line=fields.get("to", "").removeprefix("+"),  # Kannel adds it by the number's type
            text=text[:TEXT_CHARS_MAX],
            message_id=fields.get("id", ""),
        )


def _decoded(fields: Mapping[str, str], body: bytes) -> str:
    """The body in the alphabet that Kannel names; UCS-2 where it only says so by a number."""
    named = fields.get("charset") or ("UTF-16BE" if fields.get("coding") == _UCS2 else "UTF-8")
    try:
        return body.decode(named, "replace")
    except (LookupError, ValueError):
        raise Malformed("an unknown alphabet") from None


def _judge(status: int, said: str, reference: str) -> Outcome:
    answer = f"http {status}"
    if status == 202:
        return Outcome(kind=OutcomeClass.ACCEPTED, message_id=reference, answer=answer)
    if status == 403 and "denied by" in said:
        return Outcome(kind=OutcomeClass.RECIPIENT, answer=f"{answer}, denied by a list")
    if status == 429:
        return Outcome(kind=OutcomeClass.THROTTLED, answer=answer)
    if 400 <= status < 500:
        return Outcome(kind=OutcomeClass.CONFIG, answer=answer)
    return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer=answer)


@contextlib.asynccontextmanager
async def open_kannel(settings: KannelSettings, terms: Terms) -> AsyncIterator[Kannel]:
    """The provider, for the life of the block."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=terms.in_flight_max),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
    ) as session:
        yield Kannel(settings, terms, session)
