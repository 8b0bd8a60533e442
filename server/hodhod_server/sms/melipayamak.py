"""Melipayamak and Farapayamak: one backend under two names, templates by `BaseServiceNumber`.

A taken message is told by `RetStatus` 1 and a `Value` of fifteen digits or more; anything shorter
there is a code of refusal, even beside `RetStatus` 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import MeliPayamakSettings
from hodhod_server.sms.answers import (
    inbound,
    judged,
    member,
    number,
    receipt,
    refusals,
    rows,
    shown,
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
MESSAGE_ID_DIGITS_MIN: Final = 15
INBOX_ROWS: Final = 100
REFUSALS: Final = refusals(
    # Account, credit, line, filtered word, documents, link, footer, template, address, key.
    config="0 2 5 7 9 10 12 14 15 17 -1 -2 -3 -4 -5 -7 -10 108 109 110 111",
    throttled="3 4",  # caps of a day and of a volume: others can
    provider_fault="6 11 -6",
    recipient="16 35",
)
STATES: Final[Mapping[str, ReceiptState]] = {
    "0": ReceiptState.AT_OPERATOR,
    "1": ReceiptState.DELIVERED,
    "2": ReceiptState.UNDELIVERED,
    "3": ReceiptState.UNDELIVERED,
    "5": ReceiptState.UNKNOWN,
    "8": ReceiptState.AT_OPERATOR,
    "16": ReceiptState.UNDELIVERED,
    "35": ReceiptState.BLACKLISTED,
    "100": ReceiptState.UNKNOWN,
    "200": ReceiptState.AT_OPERATOR,
    "300": ReceiptState.UNDELIVERED,
    "400": ReceiptState.QUEUED,
    "500": ReceiptState.UNDELIVERED,
}


class MeliPayamak(HttpProvider[MeliPayamakSettings]):
    """One account."""

    poll_max = 10  # each costs a request; they go one after another, to leave the pool to sends

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._template, judge)

    def _template(self, message: CodeMessage, phone: Phone) -> Request:
        values = [message.code.digits]
        if self._settings.has_tag:
            values.append(message.tag)
        return self._request(
            "BaseServiceNumber",
            to=phone.national,
            bodyId=self._settings.templates.choose(message.client, message.locale),
            text=";".join(values),
        )

    def _request(self, method: str, **form: str) -> Request:
        account = {
            "username": self._settings.username,
            "password": self._settings.api_key.reveal().decode(),
        }
        return Request(path=f"/{method}", form={**account, **form})

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        found: list[Receipt] = []
        for message_id in message_ids:
            told = await self._http.find(self._request("GetDeliveries2", recId=message_id))
            if told is None:
                break  # what is wrong with one is wrong with all; they are asked for again
            if word(member(told, "RetStatus")) == OK:
                found += receipt(self.terms.name, message_id, member(told, "Value"), STATES)
        return found

    async def inbox(self) -> list[Inbound]:
        """The newest, again and again: whoever takes them knows them by id."""
        if not self._settings.line:
            return []
        told = await self._http.find(
            self._request(
                "GetMessages",
                location="1",
                index="0",
                count=str(INBOX_ROWS),
                **{"from": self._settings.line},
            )
        )
        return [
            text
            for row in rows(told, "Data")
            for text in inbound(
                self.terms.name,
                member(row, "Sender"),
                member(row, "Receiver"),
                member(row, "Body"),
                member(row, "MsgID"),
            )
        ]

    async def credit(self) -> int | None:
        told = await self._http.find(self._request("GetCredit"))
        is_told = word(member(told, "RetStatus")) == OK
        return number(member(told, "Value")) if is_told else None


def judge(answer: Answer) -> Outcome:
    """What an answer to `BaseServiceNumber` means."""
    told = answer.decoded()
    value, status = word(member(told, "Value")), word(member(told, "RetStatus"))
    if not status or answer.status == 429 or answer.status >= 500:
        return outcome_of_status(answer)
    if len(value) >= MESSAGE_ID_DIGITS_MIN and value.isdecimal() and status == OK:
        return Outcome(kind=OutcomeClass.ACCEPTED, message_id=value, answer="RetStatus 1")
    if value in REFUSALS:
        return judged(REFUSALS, value, else_=OutcomeClass.PROVIDER_FAULT, of="Value")
    if status == OK:
        return Outcome(kind=OutcomeClass.AMBIGUOUS, answer=f"Value {shown(value)}")
    return judged(REFUSALS, status, else_=OutcomeClass.PROVIDER_FAULT, of="RetStatus")
