"""Ghasedak: templates by `SendOtpSMS`, read out in a call where the channel is voice.

The documents and the vendor's own SDK number delivery states differently (delivered is 5, or 14),
so the documents are believed and an unknown number means nothing. Only HTTP's codes are documented
for refusals. A callback can be set in the panel; its fields are those of a status, by our reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import GhasedakSettings
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
    Arrival,
    Callback,
    CodeMessage,
    Inbound,
    Outcome,
    OutcomeClass,
    Receipt,
    ReceiptState,
)

REFUSALS: Final = refusals(config="400 401 402 403 404 422", throttled="429")
STATES: Final[Mapping[str, ReceiptState]] = {
    "0": ReceiptState.QUEUED,
    "1": ReceiptState.UNDELIVERED,  # cancelled
    "2": ReceiptState.BLACKLISTED,
    "3": ReceiptState.AT_OPERATOR,
    "4": ReceiptState.UNDELIVERED,
    "5": ReceiptState.DELIVERED,
    "6": ReceiptState.UNDELIVERED,
    "7": ReceiptState.UNKNOWN,  # debugging
    "8": ReceiptState.UNKNOWN,
}


class Ghasedak(HttpProvider[GhasedakSettings]):
    """One account, on one channel."""

    poll_max = 100

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._otp, judge)

    def _otp(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        inputs = [{"param": own.code_parameter, "value": message.code.digits}]
        if own.tag_parameter and message.tag:
            inputs.append({"param": own.tag_parameter, "value": message.tag})
        return self._request(
            "POST",
            "/SendOtpSMS",
            {
                "templateName": own.templates.choose(message.client, message.locale),
                "receptors": [{"mobile": phone.national, "clientReferenceId": message.reference}],
                "inputs": inputs,
                "isVoice": own.channel == "voice",
                "udh": False,
            },
        )

    def _request(self, method: str, path: str, json: object = None) -> Request:
        headers = {"ApiKey": self._settings.api_key.reveal().decode()}
        return Request(method=method, path=path, json=json, headers=headers)

    def read_callback(self, callback: Callback) -> list[Arrival]:
        """A receipt has a status; a text from a person has its sender."""
        fields = {name.lower(): value for name, value in callback.fields.items()}
        name = self.terms.name
        if "status" in fields:
            return [*receipt(name, fields.get("messageid"), fields["status"], STATES)]
        if "sender" in fields:
            line, text = fields.get("linenumber"), fields.get("message", "")
            return [*inbound(name, fields["sender"], line, text, fields.get("id"))]
        raise Malformed("neither status nor sender")

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        ids = ",".join(quote(message_id, safe="") for message_id in message_ids)
        told = await self._http.find(self._request("GET", f"/CheckSmsStatus?Ids={ids}&Type=1"))
        found = rows(told, "data.items") or rows(told, "data")
        return [
            state
            for row in found
            for state in receipt(
                self.terms.name, member(row, "messageId"), member(row, "status"), STATES
            )
        ]

    async def inbox(self) -> list[Inbound]:
        """Whether reading marks them as read is not said: whoever takes them knows them by id."""
        if not self._settings.line:
            return []
        query = urlencode({"lineNumber": self._settings.line, "isRead": "false"})
        told = await self._http.find(self._request("GET", f"/GetReceivedSmses?{query}"))
        return [
            text
            for row in rows(told, "data.items")
            for text in inbound(
                self.terms.name,
                member(row, "sender"),
                member(row, "lineNumber"),
                member(row, "message"),
                member(row, "id"),
            )
        ]


def judge(answer: Answer) -> Outcome:
    """What an answer to `SendOtpSMS` means."""
    told = answer.decoded()
    is_taken = member(told, "isSuccess")
    if not isinstance(is_taken, bool) or answer.status == 429 or answer.status >= 500:
        return outcome_of_status(answer)
    if not is_taken:
        status = member(told, "statusCode")
        return judged(REFUSALS, status, else_=OutcomeClass.PROVIDER_FAULT)
    return Outcome(
        kind=OutcomeClass.ACCEPTED,
        message_id=find_message_id(member(told, "data.items.0.messageId")),
        answer=f"status {word(member(told, 'statusCode'))[:3]}",
        cost=number(member(told, "data.items.0.cost")),
    )
