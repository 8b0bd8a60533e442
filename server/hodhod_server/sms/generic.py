"""A provider described by settings alone: what to ask, and how to read what comes back.

Places such as `{code}` are replaced by name and nothing else is read as markup, so a body may hold
braces of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.phone import Phone
from hodhod_server.settings.generic_provider import PLACES, GenericSettings
from hodhod_server.sms.answers import find_message_id, inbound, member, receipt, shown, word
from hodhod_server.sms.http_provider import HttpProvider
from hodhod_server.sms.http_sender import Answer, HttpSender, Request, outcome_of_status
from hodhod_server.sms.provider import (
    Arrival,
    Callback,
    CodeMessage,
    Outcome,
    OutcomeClass,
    ReceiptState,
    Terms,
)

_PLACE: Final = re.compile(r"\{(" + "|".join(PLACES) + r")\}")


class Generic(HttpProvider[GenericSettings]):
    """One account of any provider."""

    def __init__(self, terms: Terms, settings: GenericSettings, http: HttpSender) -> None:
        super().__init__(terms, settings, http)
        self._states = {code: ReceiptState(name) for code, name in settings.receipt_states.items()}

    async def send(self, message: CodeMessage) -> Outcome:
        return await self._http.send(message, self._request, self._judge)

    def _request(self, message: CodeMessage, phone: Phone) -> Request:
        own = self._settings
        values = _values(message, phone, own.secret.reveal().decode())

        def fill(text: str) -> str:
            return _PLACE.sub(lambda place: values[place[1]], text)

        def fill_path(text: str) -> str:
            return _PLACE.sub(lambda place: quote(values[place[1]], safe=""), text)

        return Request(
            method=own.method,
            path=fill_path(own.path),
            query=_filled(own.query, fill) or None,
            headers=_filled(own.headers, fill) or None,
            form=_filled(own.form, fill) or None,
            json=None if own.json is None else _filled(own.json, fill),
        )

    def _judge(self, answer: Answer) -> Outcome:
        own, told = self._settings, answer.decoded()
        code = word(member(told, own.code_path)) if own.code_path else ""
        for said in (code, f"http {answer.status}"):
            if said in own.outcomes:
                kind = OutcomeClass(own.outcomes[said])
                return self._outcome(kind, told, answer, code)
        if answer.status not in own.success_statuses:
            return outcome_of_status(answer)
        if own.success_path:
            found = member(told, own.success_path)
            if found is None:
                return outcome_of_status(answer)
            if word(found) != own.success_value:
                return self._outcome(OutcomeClass.PROVIDER_FAULT, told, answer, code)
        return self._outcome(OutcomeClass.ACCEPTED, told, answer, code)

    def _outcome(self, kind: OutcomeClass, told: Any, answer: Answer, code: str) -> Outcome:
        path = self._settings.message_id_path
        return Outcome(
            kind=kind,
            message_id=find_message_id(member(told, path)) if path else None,
            answer=f"http {answer.status}" + (f", code {shown(code)}" if code else ""),
            retry_after_s=answer.retry_after_s,
        )

    def read_callback(self, callback: Callback) -> list[Arrival]:
        """By the names of fields in the settings."""
        own, fields, name = self._settings, callback.fields, self.terms.name
        if own.inbound_sender_field and own.inbound_sender_field in fields:
            sender, text = fields[own.inbound_sender_field], fields.get(own.inbound_text_field, "")
            line, message_id = fields.get(own.inbound_line_field), fields.get(own.inbound_id_field)
            return [*inbound(name, sender, line, text, message_id)]
        if own.receipt_id_field and own.receipt_id_field in fields:
            state = fields.get(own.receipt_state_field, "")
            return [*receipt(name, fields[own.receipt_id_field], state, self._states)]
        raise Malformed("none of the fields in the settings")


def _values(message: CodeMessage, phone: Phone, secret: str) -> dict[str, str]:
    return {
        "to": phone.e164,
        "to_digits": phone.digits,
        "to_local": phone.national,
        "code": message.code.digits,
        "text": message.text,
        "tag": message.tag,
        "reference": message.reference,
        "valid_s": str(message.valid_s),
        "locale": message.locale,
        "secret": secret,
    }


def _filled(value: Any, fill: Callable[[str], str]) -> Any:
    """The same shape with its texts filled in."""
    if isinstance(value, str):
        return fill(value)
    if isinstance(value, Mapping):
        return {name: _filled(inner, fill) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, fill) for inner in value]
    return value
