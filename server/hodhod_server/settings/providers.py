"""The settings of those who carry codes: every kind there is, told apart by `kind`.

Two entries may have one kind: two accounts, or two lines.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.agreements import ProviderSettings
from hodhod_server.settings.fields import SECTION, PositiveS
from hodhod_server.settings.generic_provider import GenericSettings
from hodhod_server.settings.http_providers import (
    FarazSmsSettings,
    GhasedakSettings,
    IpPanelSettings,
    KavenegarSettings,
    MeliPayamakSettings,
    MessageWaySettings,
    SmsIrSettings,
)
from hodhod_server.settings.line_providers import KannelSettings, SmppSettings, SmtpSettings


@dataclass(config=SECTION, kw_only=True)
class ConsoleSettings(ProviderSettings):
    """`kind = "console"`: texts stay in memory for `/dev/outbox`. Development only."""

    kind: Literal["console"] = "console"
    channel: Literal["sms", "voice", "email"] = "sms"
    """What the texts pass for."""

    rate_per_s: PositiveS = 10_000.0
    """Nothing limits it."""


AnyProvider = Annotated[
    ConsoleSettings
    | KavenegarSettings
    | SmsIrSettings
    | GhasedakSettings
    | MeliPayamakSettings
    | FarazSmsSettings
    | IpPanelSettings
    | MessageWaySettings
    | GenericSettings
    | SmppSettings
    | KannelSettings
    | SmtpSettings,
    Field(discriminator="kind"),
]
