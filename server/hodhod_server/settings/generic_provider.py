"""The settings of a provider that no program here knows: how to ask it, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.agreements import ProviderSettings
from hodhod_server.settings.fields import SECTION, BaseUrl, KeySetting

OutcomeName = Literal[
    "accepted", "ambiguous", "provider_fault", "throttled", "config", "recipient", "fraud"
]
StateName = Literal[
    "unknown", "queued", "at_operator", "delivered", "undelivered", "blacklisted", "expired"
]
PLACES: Final = (
    *("to", "to_digits", "to_local", "code", "text", "tag"),
    *("reference", "valid_s", "locale", "secret"),
)


@dataclass(config=SECTION, kw_only=True)
class GenericSettings(ProviderSettings):
    """`kind = "generic"`: any HTTP API, described here.

    In `path`, `headers`, `query`, `form` and `json` these places are filled in: `{to}` (`+98912…`),
    `{to_digits}` (`98912…`), `{to_local}` (`0912…`), `{code}`, `{text}`, `{tag}`, `{reference}`,
    `{valid_s}`, `{locale}`, `{secret}`.
    """

    kind: Literal["generic"]
    channel: Literal["sms", "voice"] = "sms"
    """How its codes travel."""

    base_url: BaseUrl
    """Address of the API, without what follows."""

    path: Annotated[str, Field(pattern=r"^(/[^\s?#]*)?$")] = ""
    """What follows the address."""

    method: Literal["POST", "GET", "PUT"] = "POST"
    """How to ask."""

    secret: KeySetting = Field(repr=False)
    """The key or password, for the place `{secret}`."""

    headers: Mapping[str, str] = Field(default_factory=dict)
    """Headers."""

    query: Mapping[str, str] = Field(default_factory=dict)
    """The query."""

    form: Mapping[str, str] = Field(default_factory=dict)
    """Fields of a form; not together with `json`."""

    json: Any = None
    """A JSON body of any shape; places are filled in within its texts."""

    success_statuses: tuple[Annotated[int, Field(ge=200, le=599)], ...] = (200, 201, 202)
    """HTTP statuses that may mean success."""

    success_path: str = ""
    """Where in the JSON answer success is told (`meta.status`); empty: the HTTP status tells."""

    success_value: str = "true"
    """What stands there then."""

    message_id_path: str = ""
    """Where the answer names the message (`data.0.id`); needed for receipts."""

    code_path: str = ""
    """Where the answer tells its code."""

    outcomes: Mapping[str, OutcomeName] = Field(default_factory=dict)
    """What a code, or `http 402`, means; others count as the provider's fault."""

    receipt_id_field: str = ""
    """Field of a callback with the message's name; empty: no receipts."""

    receipt_state_field: str = ""
    """Field of a callback with the state."""

    receipt_states: Mapping[str, StateName] = Field(default_factory=dict)
    """What each state means; others count as unknown."""

    inbound_sender_field: str = ""
    """Field of a callback with the number of a person who wrote; empty: no texts from people."""

    inbound_text_field: str = ""
    """Field of a callback with what they wrote."""

    inbound_line_field: str = ""
    """Field of a callback with the line they wrote to."""

    inbound_id_field: str = ""
    """Field of a callback with the name of their text."""

    def __post_init__(self) -> None:
        if self.form and self.json is not None:
            raise ValueError("form and json: a request has one body")
        if bool(self.receipt_id_field) != bool(self.receipt_state_field):
            raise ValueError("receipt_id_field and receipt_state_field go together")
        if bool(self.inbound_sender_field) != bool(self.inbound_text_field):
            raise ValueError("inbound_sender_field and inbound_text_field go together")
