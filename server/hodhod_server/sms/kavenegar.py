"""Kavenegar: templates by `verify/lookup`, read out in a call where the channel is voice.

The key stands in the path. The answer's own `return.status` counts, not HTTP's, which may be 200
beside it. `verify/lookup` knows no key of ours, so a repeated send is a second text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.phone import Phone
from hodhod_server.settings.http_providers import KavenegarSettings
from hodhod_server.sms.answers import (
    find_message_id,
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
    Arrival,
    Callback,
    CodeMessage,
    Inbound,
    Outcome,
    OutcomeClass,
    Receipt,
    ReceiptState,
)

OK: Final = "200"
REFUSALS: Final = refusals(
    # Request, account, key, method, address, credit, line, text, template, plan, parameters.
    # 428: a call can read digits only. 501: a test account sends to its owner alone.
    config="400 401 403 404 405 406 407 412 413 414 415 416 417 418 419 420 422 424 426 427 428"
    " 431 432 501",
    provider_fault="402 409",
    recipient="411",
    throttled="429 451",
)
STATES: Final[Mapping[str, ReceiptState]] = {
    "1": ReceiptState.QUEUED,
    "2": ReceiptState.QUEUED,
    "4": ReceiptState.AT_OPERATOR,
    "5": ReceiptState.AT_OPERATOR,
    "6": ReceiptState.UNDELIVERED,  # in one user's notes only; it stops nothing that would help
    "10": ReceiptState.DELIVERED,
    "11": ReceiptState.UNDELIVERED,
    "13": ReceiptState.UNDELIVERED,
    "14": ReceiptState.BLACKLISTED,
    "100": ReceiptState.UNKNOWN,
}
REFUSED_AT_ONCE: Final = {
    ReceiptState.BLACKLISTED: OutcomeClass.RECIPIENT,
    ReceiptState.UNDELIVERED: OutcomeClass.PROVIDER_FAULT,
}


class Kavenegar(HttpProvider[KavenegarSettings]):
    """One account, on one channel."""

    poll_max = 500

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._lookup, judge)

    def _lookup(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        form = {
            "receptor": phone.national,
            "template": own.templates.choose(message.client, message.locale),
            "token": message.code.digits,
            "type": "call" if own.channel == "voice" else "sms",
        }
        if own.tag_parameter and message.tag:
            form[own.tag_parameter] = message.tag
        return self._request("verify/lookup", form)

    def _request(self, method: str, form: Mapping[str, str]) -> Request:
        key = quote(self._settings.api_key.reveal().decode(), safe="")
        return Request(path=f"/{key}/{method}.json", form=form)

    async def _entries(self, method: str, **form: str) -> list[Any]:
        return rows(await self._http.find(self._request(method, form)), "entries")

    def read_callback(self, callback: Callback) -> list[Arrival]:
        """A receipt has a status; a text from a person has its sender."""
        fields, name = callback.fields, self.terms.name
        message_id = fields.get("messageid")
        if "status" in fields:
            read: Sequence[Arrival] = receipt(name, message_id, fields["status"], STATES)
        elif "from" in fields:
            text = fields.get("message", "")
            read = inbound(name, fields["from"], fields.get("to"), text, message_id)
        else:
            raise Malformed("neither status nor from")
        return list(read)

    async def receipts(self, message_ids: Sequence[str]) -> list[Receipt]:
        entries = await self._entries("sms/status", messageid=",".join(message_ids))
        return [
            told
            for entry in entries
            for told in receipt(
                self.terms.name, member(entry, "messageid"), member(entry, "status"), STATES
            )
        ]

    async def inbox(self) -> list[Inbound]:
        """Each text once: reading marks them as read."""
        if not self._settings.line:
            return []
        entries = await self._entries("sms/receive", linenumber=self._settings.line, isread="0")
        return [
            text
            for entry in entries
            for text in inbound(
                self.terms.name,
                member(entry, "sender"),
                member(entry, "receptor"),
                member(entry, "message"),
                member(entry, "messageid"),
            )
        ]

    async def credit(self) -> int | None:
        answer = await self._http.find(self._request("account/info", {}))
        return number(member(answer, "entries.remaincredit"))


def judge(answer: Answer) -> Outcome:
    """What an answer to `verify/lookup` means."""
    told = answer.decoded()
    status = word(member(told, "return.status"))
    if not status:
        return outcome_of_status(answer)
    if status != OK:
        outcome = judged(REFUSALS, status, else_=OutcomeClass.PROVIDER_FAULT)
        return Outcome(kind=outcome.kind, answer=outcome.answer, retry_after_s=answer.retry_after_s)
    state = STATES.get(word(member(told, "entries.0.status")), ReceiptState.UNKNOWN)
    return Outcome(
        kind=REFUSED_AT_ONCE.get(state, OutcomeClass.ACCEPTED),
        message_id=find_message_id(member(told, "entries.0.messageid")),
        answer=f"status {shown(status)}",
        cost=number(member(told, "entries.0.cost")),
    )
