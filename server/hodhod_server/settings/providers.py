"""The settings of those who carry codes: what all have in common, and the kinds there are.

`kind` tells which program talks to the provider. Two entries may have one kind: two accounts, or
two lines.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.fields import SECTION, Positive, PositiveS


@dataclass(config=SECTION, kw_only=True)
class ProviderSettings:
    """What is agreed with a provider, whatever its kind."""

    name: Annotated[str, Field(pattern=r"[a-z0-9][a-z0-9-]{0,31}")]
    """Under this name it stands in metrics, logs and callback addresses."""

    failure_domain: str = ""
    """Providers that share a line or an upstream fail together: give them one word. Empty: own."""

    rate_per_s: PositiveS = 10.0
    """Messages a second by contract; nine tenths of it are used."""

    in_flight_max: Positive = 50
    """Requests under way at once: rate times the slowest usual answer, times 1.5."""

    cost: Annotated[int, Field(ge=0)] = 0
    """Of one message, in the smallest unit of the operator's money."""


@dataclass(config=SECTION, kw_only=True)
class ConsoleSettings(ProviderSettings):
    """`kind = "console"`: texts stay in memory for `/dev/outbox`. Development only."""

    kind: Literal["console"] = "console"
    channel: Literal["sms", "voice", "email"] = "sms"
    rate_per_s: PositiveS = 10_000.0


AnyProvider = ConsoleSettings
