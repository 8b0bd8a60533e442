"""FarazSMS, which is IranPayamak: patterns by `sms/pattern`.

A value longer than the pattern declares moves the message to a queue that people read, while the
answer says success: the items of the request tell the truth later. Codes of refusal are not
documented, so HTTP's are used, and a success by name counts only with HTTP's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import FarazSmsSettings
from hodhod_server.sms.answers import find_message_id, member, number, receipt, rows, word
from hodhod_server.sms.http_provider import HttpProvider
from hodhod_server.sms.http_sender import Answer, Request, outcome_of_status
from hodhod_server.sms.provider import (
    CodeMessage,
    Inbound,
    Outcome,
    OutcomeClass,
    Receipt,
    ReceiptState,
)

# The names in use are not documented: those that can mean one thing only are believed.
STATES: Final[Mapping[str, ReceiptState]] = {
    "pending": ReceiptState.QUEUED,
    "queued": ReceiptState.QUEUED,
    "sent": ReceiptState.AT_OPERATOR,
    "delivered": ReceiptState.DELIVERED,
    "undelivered": ReceiptState.UNDELIVERED,
    "failed": ReceiptState.UNDELIVERED,
    "rejected": ReceiptState.UNDELIVERED,
    "blacklist": ReceiptState.BLACKLISTED,
    "expired": ReceiptState.EXPIRED,
}


class FarazSms(HttpProvider[FarazSmsSettings]):
    """One account. Sixty requests a minute are all it has, so few of them ask for receipts."""

    poll_max = 2

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._pattern, judge)

    def _pattern(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        attributes = {own.code_parameter: message.code.digits}
        if own.tag_parameter and message.tag:
            attributes[own.tag_parameter] = message.tag
        return self._request(
            "POST",
            "/sms/pattern",
            {
                "code": own.templates.choose(message.client, message.locale),
                "recipient": phone.national,
                "attributes": attributes,
                "line_number": own.line,
                "number_format": "english",
            },
        )

    def _request(self, method: str, path: str, json: object = None) -> Request:
        headers = {"Api-Key": self._settings.api_key.reveal().decode()}
        return Request(method=method, path=path, json=json, headers=headers)

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        found: list[Receipt] = []
        for message_id in message_ids:
            path = f"/send_request/{quote(message_id, safe='')}/items"
            told = await self._http.find(self._request("GET", path))
            if told is None:
                break
            items = rows(told, "data.items") or rows(told, "data")
            state = word(member(items, "0.status")).lower()
            found += receipt(self.terms.name, message_id, state, STATES)
        return found

    async def inbox(self) -> list[Inbound]:
        """No way to fetch texts from people is documented."""
        return []

    async def credit(self) -> int | None:
        told = await self._http.find(self._request("GET", "/account/balance"))
        amount = number(member(told, "data.balanceAmount"))
        return number(member(told, "data")) if amount is None else amount


def judge(answer: Answer) -> Outcome:
    """What an answer to `sms/pattern` means."""
    told = answer.decoded()
    status = word(member(told, "status"))
    if not answer.is_success or not status:
        return outcome_of_status(answer)
    if status != "success":
        return Outcome(kind=OutcomeClass.CONFIG, answer="status error")
    data = member(told, "data")
    return Outcome(
        kind=OutcomeClass.ACCEPTED,
        message_id=find_message_id(member(data, "id") if isinstance(data, dict) else data),
        answer=f"http {answer.status}",
    )
