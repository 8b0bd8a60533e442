"""SMS.ir: templates by `send/verify`; receipts and texts from people have to be fetched.

No callback is documented. The newest texts are shown once, so they are handed on before the next
are fetched, and nobody else may fetch them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import SmsIrSettings
from hodhod_server.sms.answers import (
    find_message_id,
    inbound,
    judged,
    member,
    number,
    receipt,
    refusals,
    rows,
    word,
)
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

OK: Final = "1"
INBOX_ROWS: Final = 100
REFUSALS: Final = refusals(
    # Key, account, credit, line, template, parameters; from 105 to 118 also sizes of batches.
    config="10 11 12 13 14 101 102 103 105 106 107 108 113 114 116 117 118 119 123",
    provider_fault="0",
    recipient="104 115",
    throttled="20",
)
STATES: Final[Mapping[str, ReceiptState]] = {
    "1": ReceiptState.DELIVERED,
    "2": ReceiptState.UNDELIVERED,
    "3": ReceiptState.AT_OPERATOR,
    "4": ReceiptState.QUEUED,  # "not reached the operator": read as not yet, for it may still
    "5": ReceiptState.AT_OPERATOR,
    "6": ReceiptState.UNDELIVERED,
    "7": ReceiptState.BLACKLISTED,
}


class SmsIr(HttpProvider[SmsIrSettings]):
    """One account."""

    poll_max = 10  # each costs a request; they go one after another, to leave the pool to sends

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._verify, judge)

    def _verify(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        parameters = [{"name": own.code_parameter, "value": message.code.digits}]
        if own.tag_parameter and message.tag:
            parameters.append({"name": own.tag_parameter, "value": message.tag})
        return self._request(
            "POST",
            "/send/verify",
            {
                "mobile": phone.national,
                "templateId": int(own.templates.choose(message.client, message.locale)),
                "parameters": parameters,
            },
        )

    def _request(self, method: str, path: str, json: object = None) -> Request:
        headers = {"X-API-KEY": self._settings.api_key.reveal().decode()}
        return Request(method=method, path=path, json=json, headers=headers)

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        found: list[Receipt] = []
        for message_id in message_ids:
            path = f"/send/{quote(message_id, safe='')}"
            told = await self._http.find(self._request("GET", path))
            if told is None:
                break  # what is wrong with one is wrong with all; they are asked for again
            if word(member(told, "status")) == OK:
                state = member(told, "data.deliveryState")
                found += receipt(self.terms.name, message_id, state, STATES)
        return found

    async def inbox(self) -> list[Inbound]:
        if not self._settings.reads_inbox:
            return []
        told = await self._http.find(self._request("GET", f"/receive/latest?count={INBOX_ROWS}"))
        return [
            text
            for row in rows(told, "data")
            for text in inbound(
                self.terms.name,
                member(row, "mobile"),
                member(row, "number"),
                member(row, "messageText"),
            )
        ]

    async def credit(self) -> int | None:
        return number(member(await self._http.find(self._request("GET", "/credit")), "data"))


def judge(answer: Answer) -> Outcome:
    """What an answer to `send/verify` means."""
    told = answer.decoded()
    status = word(member(told, "status"))
    if not status or answer.status == 429 or answer.status >= 500:
        return outcome_of_status(answer)
    if status != OK:
        return judged(REFUSALS, status, else_=OutcomeClass.PROVIDER_FAULT)
    return Outcome(
        kind=OutcomeClass.ACCEPTED,
        message_id=find_message_id(member(told, "data.messageId")),
        answer="status 1",
        cost=number(member(told, "data.cost")),
    )
