"""What the text around a code says, for each kind of program that may read it.

One UCS-2 text has 70 units (3GPP TS 23.038), and one Persian letter makes all of it UCS-2; more
costs two texts. The code is always in ASCII digits: autofill and templates expect them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from hodhod_server.domain.challenges import Locale
from hodhod_server.domain.codes import Code

# 67 where a provider's footer makes it a part.
TEXT_UNITS_MAX: Final = 67
_TEXTS: Final[dict[Locale, str]] = {
    "fa": "کد ورود هدهد: {digits}\nبه هیچ‌کس ندهید.",
    "en": "Hodhod code: {digits}\nGive it to nobody.",
}


class ClientKind(StrEnum):
    """Which program waits for the text: each wants another last line."""

    ANDROID = "android"
    WEB = "web"
    GENERIC = "generic"


def code_text(code: Code, locale: Locale) -> str:
    """What the person reads."""
    return _TEXTS[locale].format(digits=code.digits)
