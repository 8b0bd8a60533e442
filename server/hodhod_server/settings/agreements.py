"""What is agreed with a provider of codes, whatever its kind.

Every kind has also `kind` and `channel`, each with the choices it allows.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from hodhod_server.settings.fields import SECTION, Positive, PositiveS


@dataclass(config=SECTION, kw_only=True)
class ProviderSettings:
    """What is agreed with a provider, whatever its kind."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    """Under this name it stands in metrics, logs and callback addresses."""

    failure_domain: str = ""
    """Providers that share a line or an upstream fail together: give them one word. Empty: own."""

    rate_per_s: PositiveS = 10.0
    """Messages a second by contract. All of it is used until the provider says it is too much."""

    in_flight_max: Positive = 50
    """Requests under way at once: rate times the slowest usual answer, times 1.5."""

    cost: Annotated[int, Field(ge=0)] = 0
    """Of one message, in the smallest unit of the operator's money."""
