"""The settings of those who carry codes over lines of their own: SMPP, Kannel, and e-mail."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from hodhod_server.domain.secret import Secret
from hodhod_server.settings.agreements import ProviderSettings
from hodhod_server.settings.fields import SECTION, Port, Positive, PositiveS, SecretSetting

SMPP_PASSWORD_CHARS_MAX = 8  # SMPP 3.4, 4.1.1: nine octets with their end


def _short(password: Secret) -> Secret:
    if len(password.reveal()) > SMPP_PASSWORD_CHARS_MAX:
        raise ValueError(f"SMPP knows no password over {SMPP_PASSWORD_CHARS_MAX} characters")
    return password


@dataclass(config=SECTION, kw_only=True)
class SmppSettings(ProviderSettings):
    """`kind = "smpp"`: a bind of ours at an operator's SMSC (SMPP 3.4, transceiver)."""

    kind: Literal["smpp"] = "smpp"
    channel: Literal["sms"] = "sms"

    host: str
    """Of the SMSC. SMPP is not encrypted: a private line, a VPN or stunnel leads there."""

    port: Port = 2775

    system_id: Annotated[str, Field(min_length=1, max_length=15)]
    """Our name at the SMSC."""

    password: Annotated[SecretSetting, AfterValidator(_short)]

    system_type: Annotated[str, Field(max_length=12)] = ""
    """Some SMSCs want a word here."""

    source: Annotated[str, Field(min_length=1, max_length=20, pattern="[ -~]+")]
    """Our line, as the SMSC spells it."""

    source_ton: Annotated[int, Field(ge=0, le=6)] = 0
    """Type of that number: 0 unknown, 1 international, 2 national, 3 short, 5 a name."""

    source_npi: Literal[0, 1, 8, 9] = 0

    to_ton: Annotated[int, Field(ge=0, le=6)] = 1
    """Type of people's numbers: they are sent with the country code and without `+`."""

    to_npi: Literal[0, 1, 8, 9] = 1

    alphabet: Literal["gsm0338", "latin_1", "ascii"] = "gsm0338"
    """What data coding 0 means there. What it cannot say goes as UCS-2 (data coding 8)."""

    priority: Annotated[int, Field(ge=0, le=3)] = 1

    enquire_s: PositiveS = 30.0
    """How long the line may be silent before we ask for a sign of life."""

    in_flight_max: Positive = 100
    """Unanswered messages at once; the window itself learns from 10 upwards, never over 100."""

    arrivals_max: Positive = 10_000
    """Receipts and texts that wait for the database; beyond it the SMSC must bring them again."""

    statuses: dict[str, Literal["provider_fault", "throttled", "config", "recipient", "fraud"]] = (
        Field(default_factory=dict)
    )
    """What this vendor's own statuses mean, by hexadecimal number: `{"0x0400" = "config"}`."""


@dataclass(config=SECTION, kw_only=True)
class KannelSettings(ProviderSettings):
    """`kind = "kannel"`: `sendsms` of a Kannel smsbox."""

    kind: Literal["kannel"] = "kannel"
    channel: Literal["sms"] = "sms"

    url: str
    """Of sendsms: `http://smsbox.internal:13013/cgi-bin/sendsms`."""

    username: str
    """Of the `sendsms-user` group."""

    password: SecretSetting

    source: Annotated[str, Field(min_length=1, max_length=20)]
    """Our line."""

    smsc: str = ""
    """The `smsc-id` to leave by, where Kannel has several. Empty: Kannel chooses."""

    priority: Annotated[int, Field(ge=0, le=3)] = 1

    callback_url: SecretSetting
    """Our callback address for this provider, with its secret, as Kannel reaches it."""


@dataclass(config=SECTION, kw_only=True)
class SmtpSettings(ProviderSettings):
    """`kind = "smtp"`: codes by e-mail, through a server that relays for us."""

    kind: Literal["smtp"] = "smtp"
    channel: Literal["email"] = "email"

    host: str

    port: Port = 587

    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """`starttls` on 587, `implicit` on 465; `none` only on a wire nobody else can read."""

    ca_file: str = ""
    """Certificates that the server's must come from. Empty: the system's."""

    username: str = ""
    """Empty: no login."""

    password: SecretSetting = Secret(b"")

    sender: str
    """From whom: `login@example.org`."""

    sender_name: str = "Hodhod"
