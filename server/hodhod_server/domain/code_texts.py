"""What the text around a code says, for each kind of program that may read it.

Android's SMS Retriever wants the hash of the app as the last line and 140 bytes at most; browsers
(WebOTP) want `@host #code` there; so each has a text of its own. The code is always in ASCII
digits: autofill and templates expect them.

Always true, once `complaints` had none: every text fits one segment, with room for the footer that
some providers add. The warning not to tell is left out where there is no room for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import product
from typing import Final, get_args

import msgspec

from hodhod_server.domain.challenges import Locale
from hodhod_server.domain.codes import CODE_DIGITS, Code
from hodhod_server.domain.segments import measure

RETRIEVER_BYTES_MAX: Final = 140
TAG_CHARS: Final = 2
_CODE: Final[dict[Locale, str]] = {"fa": "کد ورود {name}: {digits}", "en": "{name} code: {digits}"}
_TAG: Final[dict[Locale, str]] = {"fa": "کد {tag}", "en": "Code {tag}"}
_WARNING: Final[dict[Locale, str]] = {"fa": "به هیچ‌کس ندهید.", "en": "Give it to nobody."}


class ClientKind(StrEnum):
    """Which program waits for the text: each wants another last line."""

    ANDROID = "android"
    WEB = "web"
    GENERIC = "generic"


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decides about the texts; `[texts]` explains each."""

    service_fa: str = "هدهد"
    service_en: str = "Hodhod"
    web_host: str = ""
    app_hash: str = ""

    def complaints(self) -> Iterator[str]:
        """Each text that would cost two, or that its reader would not take."""
        code = Code("0" * CODE_DIGITS)
        for locale, client, tag in product(get_args(Locale), ClientKind, ("", "W" * TAG_CHARS)):
            if not _fits(code_text(code, locale, client, tag=tag, wording=self), client):
                kind = f"the {locale} text for {client}{' with a tag' if tag else ''}"
                yield f"{kind} does not fit one SMS: shorten the service's name or the host"


_HOUSE: Final = Wording()


def code_text(
    code: Code,
    locale: Locale,
    client: ClientKind = ClientKind.GENERIC,
    *,
    tag: str = "",
    wording: Wording = _HOUSE,
) -> str:
    """What the person reads. `tag` tells apart two challenges of one number."""
    name = wording.service_fa if locale == "fa" else wording.service_en
    head = [_CODE[locale].format(name=name, digits=code.digits)]
    if tag:
        head.append(_TAG[locale].format(tag=tag))
    last = _last_line(code, client, wording)
    whole = "\n".join([*head, _WARNING[locale], *last])
    return whole if _fits(whole, client) else "\n".join([*head, *last])


def _last_line(code: Code, client: ClientKind, wording: Wording) -> list[str]:
    if client is ClientKind.ANDROID and wording.app_hash:
        return [wording.app_hash]
    if client is ClientKind.WEB and wording.web_host:
        return [f"@{wording.web_host} #{code.digits}"]
    return []


def _fits(text: str, client: ClientKind) -> bool:
    measured = measure(text)
    if measured.units > measured.units_of_a_part:
        return False
    # Nothing says how the 140 bytes are counted: a text that fits in UTF-8 fits in every way.
    return client is not ClientKind.ANDROID or len(text.encode()) <= RETRIEVER_BYTES_MAX
