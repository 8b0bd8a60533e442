"""Reading what providers answer: nothing is taken for granted, nothing raises.

Names are compared without case, since the same provider answers `messageId` on one host and
`MessageId` on another. `shown` is the only way of a provider's words into logs, and lets codes
through but no sentences, which quote numbers and texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hodhod_server.domain.errors import PhoneInvalid
from hodhod_server.domain.phone import Phone, parse_phone
from hodhod_server.sms.provider import Inbound, Outcome, OutcomeClass, Receipt, ReceiptState

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_LONG_NUMBER: Final = re.compile(r"[0-9]{6,}")  # a login code, or a phone number
ID_CHARS_MAX: Final = 64


def member(value: Any, path: str) -> Any:
    """What stands at `a.b.0.c`; None where nothing does. A list of one is as good as its item."""
    for name in path.split(".") if path else ():
        if isinstance(value, list):
            if not name.isdecimal():
                value = value[0] if value else None
            else:
                value = value[int(name)] if len(name) < 4 and int(name) < len(value) else None
                continue
        if not isinstance(value, dict):
            return None
        value = _member(value, name)
    return value


def _member(value: dict[str, Any], name: str) -> Any:
    if name in value:
        return value[name]
    wanted = name.lower()
    return next((found for key, found in value.items() if key.lower() == wanted), None)


def rows(value: Any, path: str) -> list[Any]:
    """The list at a path; one item alone counts as a list of it."""
    found = member(value, path)
    if isinstance(found, dict):
        return [found]
    return found if isinstance(found, list) else []


def word(value: Any) -> str:
    """A scalar as a word; "" for anything else. `true` and `1.0` become `true` and `1`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() if isinstance(value, str | int | float) else ""


def number(value: Any) -> int | None:
    """A whole number, rounded down, from a number or its digits."""
    try:
        return int(float(word(value)))
    except (ValueError, OverflowError):
        return None


def find_message_id(value: Any) -> str | None:
    """A provider's name for a message."""
    found = word(value)
    return found if 0 < len(found) <= ID_CHARS_MAX and found != "0" else None


def find_phone(value: Any) -> Phone | None:
    """The mobile number somebody wrote from; lines and short codes are none."""
    try:
        return parse_phone(word(value))
    except PhoneInvalid:
        return None


def shown(code: object) -> str:
    """A provider's code, if it is one; `?` for a sentence, or what may be a number or a code."""
    text = word(code)
    return text if _CODE.fullmatch(text) and not _LONG_NUMBER.search(text) else "?"


def refusals(**codes: str) -> Mapping[str, OutcomeClass]:
    """A table of refusals: under each class's name the codes that mean it."""
    return {code: OutcomeClass(name) for name, listed in codes.items() for code in listed.split()}


def judged(
    table: Mapping[str, OutcomeClass], code: object, *, else_: OutcomeClass, of: str = "status"
) -> Outcome:
    """A refusal by the provider's own table."""
    return Outcome(kind=table.get(word(code), else_), answer=f"{of} {shown(code)}")


def receipt(
    provider: str, message_id: object, code: object, table: Mapping[str, ReceiptState]
) -> list[Receipt]:
    """What a provider says of one message; nothing where it does not say of which."""
    found = find_message_id(message_id)
    if found is None:
        return []
    state = table.get(word(code), ReceiptState.UNKNOWN)
    return [Receipt(provider=provider, message_id=found, state=state, answer=shown(code))]


def inbound(
    provider: str, sender: object, line: object, text: object, message_id: object = None
) -> list[Inbound]:
    """A text from a person; nothing where the sender is no mobile number."""
    phone = find_phone(sender)
    if phone is None:
        return []
    return [
        Inbound(
            provider=provider,
            sender=phone,
            line=word(line),
            text=text if isinstance(text, str) else word(text),
            message_id=find_message_id(message_id) or "",
        )
    ]
