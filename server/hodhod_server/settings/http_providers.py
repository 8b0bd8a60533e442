"""The settings of providers that are reached over HTTP, one shape for each kind.

Addresses are settings so that a mirror, or a simulator, can stand in for the provider. Keys are
secrets; templates are those that the provider has approved, one for each kind of text.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.settings.agreements import ProviderSettings
from hodhod_server.settings.fields import SECTION, BaseUrl, KeySetting, PositiveS

SmsOrVoice = Literal["sms", "voice"]
Line = Annotated[str, Field(pattern=r"^\+?[0-9]{0,20}$")]


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


TemplateName = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^[^\s]{0,64}$")]


@dataclass(config=SECTION, kw_only=True)
class Templates:
    """The templates approved by a provider. An empty one: the next best, in the end `generic`."""

    generic: Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^[^\s]{1,64}$")]
    """Persian, for any program. Its name or number at the provider, as all of these."""

    android: TemplateName = ""
    """Persian, with the app's hash as the last line."""

    web: TemplateName = ""
    """Persian, with `@host #code` as the last line."""

    generic_en: TemplateName = ""
    """English, for any program."""

    android_en: TemplateName = ""
    """English, with the app's hash."""

    web_en: TemplateName = ""
    """English, with `@host #code`."""

    def choose(self, client: ClientKind, locale: str) -> str:
        """The template for a text: rather another language than another kind of program."""
        own = getattr(self, client if locale == "fa" else f"{client}_{locale}")
        return str(own or getattr(self, client) or self.generic)


@dataclass(config=SECTION, kw_only=True)
class NumberedTemplates(Templates):
    """Templates of a provider that numbers them."""

    def __post_init__(self) -> None:
        names = (self.generic, self.android, self.web)
        english = (self.generic_en, self.android_en, self.web_en)
        if not all(name.isascii() and name.isdecimal() for name in (*names, *english) if name):
            raise ValueError("this provider's templates have numbers")


@dataclass(config=SECTION, kw_only=True)
class KavenegarSettings(ProviderSettings):
    """`kind = "kavenegar"`: templates by `verify/lookup`, as a text or a call."""

    kind: Literal["kavenegar"]
    api_key: KeySetting = Field(repr=False)
    """The key of the account."""

    templates: Templates
    """Names of the templates; the code is their `%token`."""

    channel: SmsOrVoice = "sms"
    """`voice`: the code is read out in a call (`type=call`)."""

    tag_parameter: Literal["", "token2", "token3"] = ""
    """Where the templates want the challenge's tag; empty: they have none."""

    line: Line = ""
    """The line whose texts from people are fetched; empty: none."""

    base_url: BaseUrl = "https://api.kavenegar.com/v1"
    """Address of the API."""


@dataclass(config=SECTION, kw_only=True)
class SmsIrSettings(ProviderSettings):
    """`kind = "smsir"`: templates by `send/verify`."""

    kind: Literal["smsir"]
    api_key: KeySetting = Field(repr=False)
    """The key of the account."""

    templates: NumberedTemplates
    """Numbers of the templates."""

    channel: Literal["sms"] = "sms"
    """Texts only."""

    code_parameter: str = "Code"
    """The name of the code in the templates, without `#`."""

    tag_parameter: str = ""
    """The name of the challenge's tag in the templates; empty: they have none."""

    reads_inbox: bool = False
    """Fetch texts from people. The provider shows each once: let nobody else fetch them."""

    base_url: BaseUrl = "https://api.sms.ir/v1"
    """Address of the API."""


@dataclass(config=SECTION, kw_only=True)
class GhasedakSettings(ProviderSettings):
    """`kind = "ghasedak"`: templates by `SendOtpSMS`, as a text or a call."""

    kind: Literal["ghasedak"]
    api_key: KeySetting = Field(repr=False)
    """The key of the account."""

    templates: Templates
    """Names of the templates."""

    channel: SmsOrVoice = "sms"
    """`voice`: the code is read out in a call (`isVoice`)."""

    code_parameter: str = "Code"
    """The name of the code in the templates."""

    tag_parameter: str = ""
    """The name of the challenge's tag in the templates; empty: they have none."""

    line: Line = ""
    """The line whose texts from people are fetched; empty: none."""

    base_url: BaseUrl = "https://gateway.ghasedak.me/rest/api/v1/WebService"
    """Address of the API."""


@dataclass(config=SECTION, kw_only=True)
class MeliPayamakSettings(ProviderSettings):
    """`kind = "melipayamak"` or `"farapayamak"`: one backend, so they fail together."""

    kind: Literal["melipayamak", "farapayamak"]
    username: str
    """The account."""

    api_key: KeySetting = Field(repr=False)
    """Its key, which the API calls password."""

    templates: NumberedTemplates
    """Numbers (`bodyId`) of the templates; the code is their `{0}`."""

    channel: Literal["sms"] = "sms"
    """Texts only."""

    has_tag: bool = False
    """Do the templates want the challenge's tag as `{1}`?"""

    line: Line = ""
    """The line whose texts from people are fetched; empty: none."""

    base_url: BaseUrl = "https://rest.payamak-panel.com/api/SendSMS"
    """Address of the API."""

    failure_domain: str = "payamak-panel"
    """One word for all who share this backend."""


@dataclass(config=SECTION, kw_only=True)
class FarazSmsSettings(ProviderSettings):
    """`kind = "farazsms"`: patterns by `sms/pattern` of IranPayamak."""

    kind: Literal["farazsms"]
    api_key: KeySetting = Field(repr=False)
    """The key of the account."""

    templates: Templates
    """Codes of the patterns. A pattern whose code is declared too short is read by people first."""

    line: Line
    """The sender's line."""

    channel: Literal["sms"] = "sms"
    """Texts only."""

    code_parameter: str = "code"
    """The name of the code in the patterns."""

    tag_parameter: str = ""
    """The name of the challenge's tag in the patterns; empty: they have none."""

    base_url: BaseUrl = "https://api.iranpayamak.com/ws/v1"
    """Address of the API."""

    rate_per_s: PositiveS = 1.0
    """Sixty requests a minute over all its methods is what the provider publishes."""

    failure_domain: str = "ippanel"
    """Its lines are likely those of IPPanel, which many brands sell."""


@dataclass(config=SECTION, kw_only=True)
class IpPanelSettings(ProviderSettings):
    """`kind = "ippanel"`: patterns and calls by the Edge API of IPPanel and its brands."""

    kind: Literal["ippanel"]
    api_key: KeySetting = Field(repr=False)
    """The key of the account."""

    templates: Templates
    """Codes of the patterns. A call has none, but one must stand here."""

    line: Line
    """The sender's line, `+983000…`."""

    channel: SmsOrVoice = "sms"
    """`voice`: the code is read out in a call (`votp`)."""

    code_parameter: str = "code"
    """The name of the code in the patterns."""

    tag_parameter: str = ""
    """The name of the challenge's tag in the patterns; empty: they have none."""

    reads_inbox: bool = False
    """Fetch texts from people."""

    base_url: BaseUrl = "https://edge.ippanel.com/v1"
    """Address of the API."""

    failure_domain: str = "ippanel"
    """One word for all brands of IPPanel."""


@dataclass(config=SECTION, kw_only=True)
class MessageWaySettings(ProviderSettings):
    """`kind = "msgway"`: templates by MessageWay, over the line prefix that is chosen."""

    kind: Literal["msgway"]
    api_key: KeySetting = Field(repr=False)
    """The key of the account."""

    templates: NumberedTemplates
    """Numbers of the templates."""

    channel: SmsOrVoice = "sms"
    """`voice`: the code is read out in a call (`ivr`)."""

    line_prefix: Literal["", "3000", "2000", "9000", "5000", "50004"] = ""
    """Lines to send from; empty: the provider chooses. They belong to different upstreams."""

    has_tag: bool = False
    """Do the templates want the challenge's tag as their first parameter?"""

    base_url: BaseUrl = "https://api.msgway.com"
    """Address of the API."""
