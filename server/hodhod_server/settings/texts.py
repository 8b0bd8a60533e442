"""The settings of the texts around a code, checked at start: each of them must fit one SMS."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from hodhod_server.domain.code_texts import Wording
from hodhod_server.domain.text import has_ink, is_plain_line
from hodhod_server.settings.fields import SECTION


def _require_plain(name: str) -> str:
    if not (has_ink(name) and is_plain_line(name) and "{" not in name):
        raise ValueError("a name is one line that can be seen, without braces")
    return name


_Name = Annotated[str, AfterValidator(_require_plain)]


@dataclass(config=SECTION, kw_only=True)
class TextSettings:
    """[texts] What stands around a code where we write the text, and not a provider's template."""

    service_fa: _Name = "هدهد"
    """The service's name in Persian texts."""

    service_en: _Name = "Hodhod"
    """The service's name in English texts."""

    web_host: Annotated[str, Field(pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)*)?$")] = ""
    """Host of the web client: browsers fill the code in there (WebOTP). Empty: they do not."""

    app_hash: Annotated[str, Field(pattern=r"^([A-Za-z0-9+/]{11})?$")] = ""
    """Hash of the Android app for SMS Retriever: it then reads the code without any permission."""

    def __post_init__(self) -> None:
        complaints = list(self.wording().complaints())
        if complaints:
            raise ValueError("; ".join(complaints))

    def wording(self) -> Wording:
        """The same as what texts are made of."""
        return msgspec.convert(self, Wording, from_attributes=True)
