"""IPPanel's Edge API, which many brands sell: patterns, or calls (`votp`).

Delivery states of `report/recipients` are numbered by the vendor's documents; brands (Mediana) use
other numbers elsewhere, so other numbers mean nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import IpPanelSettings
from hodhod_server.sms.answers import (
    find_message_id,
    inbound,
    member,
    number,
    receipt,
    rows,
    shown,
    word,
)
from hodhod_server.sms.http_provider import HttpProvider
from hodhod_server.sms.http_sender import Answer, HttpSender, Request, outcome_of_status
from hodhod_server.sms.provider import (
    CodeMessage,
    Inbound,
    Outcome,
    OutcomeClass,
    Receipt,
    ReceiptState,
    Terms,
)

INBOX_ROWS: Final = 100
STATES: Final[Mapping[str, ReceiptState]] = {
    "0": ReceiptState.QUEUED,
    "1": ReceiptState.AT_OPERATOR,
    "2": ReceiptState.DELIVERED,
    "3": ReceiptState.UNDELIVERED,
    "4": ReceiptState.BLACKLISTED,
}


class IpPanel(HttpProvider[IpPanelSettings]):
    """One account, on one channel."""

    poll_max = 10  # each costs a request; they go one after another, to leave the pool to sends

    def __init__(self, terms: Terms, settings: IpPanelSettings, http: HttpSender) -> None:
        super().__init__(terms, settings, http)
        self._newest_inbound = 0

    async def send(self, message: CodeMessage) -> Outcome:
        ask = self._call if self._settings.channel == "voice" else self._pattern
        return await self._http.send(message, ask, judge)

    def _pattern(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        params = {own.code_parameter: message.code.digits}
        if own.tag_parameter and message.tag:
            params[own.tag_parameter] = message.tag
        return self._request(
            "POST",
            "/api/send",
            {
                "sending_type": "pattern",
                "from_number": own.line,
                "code": own.templates.choose(message.client, message.locale),
                "recipients": [phone.e164],
                "params": params,
            },
        )

    def _call(self, message: CodeMessage, phone: Phone) -> Request:
        body = {
            "sending_type": "votp",
            "message": message.code.digits,
            "params": {"recipients": [phone.e164]},
        }
        return self._request("POST", "/api/send", body)

    def _request(self, method: str, path: str, json: object = None) -> Request:
        headers = {"Authorization": self._settings.api_key.reveal().decode()}
        return Request(method=method, path=path, json=json, headers=headers)

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        found: list[Receipt] = []
        for message_id in message_ids:
            query = urlencode({"page": "1", "per_page": "1", "bulk_id": message_id})
            told = await self._http.find(self._request("GET", f"/api/report/recipients?{query}"))
            if told is None:
                break  # what is wrong with one is wrong with all; they are asked for again
            state = member(told, "data.0.message_status")
            if state is not None:
                found += receipt(self.terms.name, message_id, state, STATES)
        return found

    async def inbox(self) -> list[Inbound]:
        """Those after the newest seen; after a restart, the newest of all once more."""
        if not self._settings.reads_inbox:
            return []
        filters = {"from_id": self._newest_inbound} if self._newest_inbound else {}
        body = {"page": 1, "per_page": INBOX_ROWS, "filters": filters}
        told = await self._http.find(self._request("POST", "/api/report/messages-inbox", body))
        found = rows(told, "data")
        self._newest_inbound = max([self._newest_inbound, *map(_number_of, found)])
        return [
            text
            for row in reversed(found)
            for text in inbound(
                self.terms.name,
                member(row, "from"),
                member(row, "number"),
                member(row, "message"),
                member(row, "messages_inbox_id"),
            )
        ]

    async def credit(self) -> int | None:
        told = await self._http.find(self._request("GET", "/api/payment/credit/mine"))
        return number(member(told, "data.credit"))


def _number_of(row: Any) -> int:
    return number(member(row, "messages_inbox_id")) or 0


def judge(answer: Answer) -> Outcome:
    """What an answer to `api/send` means."""
    told = answer.decoded()
    status = member(told, "meta.status")
    if not answer.is_success or not isinstance(status, bool):
        return outcome_of_status(answer)
    said = f"message_code {shown(word(member(told, 'meta.message_code')))}"
    if not status:
        return Outcome(kind=OutcomeClass.CONFIG, answer=said)
    return Outcome(
        kind=OutcomeClass.ACCEPTED,
        message_id=find_message_id(member(told, "data.message_outbox_ids.0")),
        answer=said,
    )
