"""MessageWay: templates over a line prefix that we choose, or a call (`ivr`).

Prefixes belong to different upstreams, so two entries with two prefixes can be two failure domains.
Codes of refusal are not documented: HTTP's are used where they say something, and a refusal beside
HTTP's success counts as the provider's fault, since another provider can be tried at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import MessageWaySettings
from hodhod_server.sms.answers import find_message_id, member, receipt, shown, word
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

PREFIXES: Final = {"3000": 1, "2000": 2, "9000": 3, "5000": 4, "50004": 5}
STATES: Final[Mapping[str, ReceiptState]] = {
    "pending": ReceiptState.QUEUED,
    "operatorDelivered": ReceiptState.AT_OPERATOR,
    "sent": ReceiptState.DELIVERED,  # "the user received it", by the vendor's types
    "seen": ReceiptState.DELIVERED,
    "notDelivered": ReceiptState.UNDELIVERED,
    "failed": ReceiptState.UNDELIVERED,
}


class MessageWay(HttpProvider[MessageWaySettings]):
    """One account, on one channel and one prefix."""

    poll_max = 10  # each costs a request; they go one after another, to leave the pool to sends

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._order, judge)

    def _order(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        body: dict[str, Any] = {
            "mobile": phone.national,
            "method": "ivr" if own.channel == "voice" else "sms",
            "templateID": int(own.templates.choose(message.client, message.locale)),
            "code": message.code.digits,
            "expireTime": message.valid_s,
        }
        if own.line_prefix and own.channel == "sms":
            body["provider"] = PREFIXES[own.line_prefix]
        if own.has_tag:
            body["params"] = [message.tag]
        return self._request("/send", body)

    def _request(self, path: str, json: object) -> Request:
        headers = {"apiKey": self._settings.api_key.reveal().decode(), "accept-language": "en"}
        return Request(path=path, json=json, headers=headers)

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        found: list[Receipt] = []
        for message_id in message_ids:
            told = await self._http.find(self._request("/status", {"OTPReferenceID": message_id}))
            if told is None:
                break  # what is wrong with one is wrong with all; they are asked for again
            if word(member(told, "status")) == "success":
                found += receipt(self.terms.name, message_id, member(told, "OTPStatus"), STATES)
        return found

    async def inbox(self) -> list[Inbound]:
        """MessageWay takes no texts from people."""
        return []


def judge(answer: Answer) -> Outcome:
    """What an answer to `send` means."""
    told = answer.decoded()
    status = word(member(told, "status"))
    if not answer.is_success or not status:
        return outcome_of_status(answer)
    if status != "success":
        code = shown(member(told, "error.code"))
        return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer=f"error {code}")
    return Outcome(
        kind=OutcomeClass.ACCEPTED,
        message_id=find_message_id(member(told, "referenceID")),
        answer="success",
    )
