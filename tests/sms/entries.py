"""One entry of the settings for each kind of HTTP provider, and a code to send."""

from __future__ import annotations

from typing import Any, Final

from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.codes import Code
from hodhod_server.domain.phone import parse_phone
from hodhod_server.sms.provider import CodeMessage

KEY: Final = "sekret/key%41+"
DIGITS: Final = "738291"
NUMBER: Final = "9123456789"
TEXT: Final = f"متن محرمانه {DIGITS}"
NAMED: Final = {"generic": "login", "android": "login-android", "web_en": "login-web-en"}
NUMBERED: Final = {"generic": 11, "android": 12}

KAVENEGAR: Final = {"kind": "kavenegar", "api_key": KEY, "templates": NAMED}
SMSIR: Final = {"kind": "smsir", "api_key": KEY, "templates": NUMBERED}
GHASEDAK: Final = {"kind": "ghasedak", "api_key": KEY, "templates": NAMED}
MELIPAYAMAK: Final = {
    "kind": "melipayamak",
    "username": "hodhod",
    "api_key": KEY,
    "templates": NUMBERED,
}
FARAZSMS: Final = {"kind": "farazsms", "api_key": KEY, "templates": NAMED, "line": "9000123"}
IPPANEL: Final = {"kind": "ippanel", "api_key": KEY, "templates": NAMED, "line": "+983000505"}
MSGWAY: Final = {"kind": "msgway", "api_key": KEY, "templates": NUMBERED}
GENERIC: Final[dict[str, Any]] = {
    "kind": "generic",
    "secret": KEY,
    "path": "/{secret}/send",
    "query": {"to": "{to_local}"},
    "headers": {"X-Key": "{secret}"},
    "json": {"to": ["{to}", "{to_digits}"], "code": "{code}", "text": "{text}", "ttl": "{valid_s}"},
    "success_path": "meta.ok",
    "message_id_path": "data.0.id",
    "code_path": "meta.code",
    "outcomes": {"7": "throttled", "8": "recipient", "http 402": "config"},
    "receipt_id_field": "id",
    "receipt_state_field": "state",
    "receipt_states": {"DELIVRD": "delivered", "UNDELIV": "undelivered"},
    "inbound_sender_field": "from",
    "inbound_text_field": "body",
    "inbound_line_field": "to",
    "inbound_id_field": "mo",
}
ALL: Final = (
    *(KAVENEGAR, SMSIR, GHASEDAK, MELIPAYAMAK),
    *(FARAZSMS, IPPANEL, MSGWAY, GENERIC),
)


def a_message(**changed: Any) -> CodeMessage:
    """A code for a number in Iran."""
    told: dict[str, Any] = {
        "to": parse_phone(NUMBER),
        "code": Code(DIGITS),
        "text": TEXT,
        "locale": "fa",
        "client": ClientKind.GENERIC,
        "reference": "send-1",
        **changed,
    }
    return CodeMessage(**told)
