"""What all connections of a process share."""

from __future__ import annotations

from dataclasses import dataclass

from hodhod_server.domain.clock import Clock
from hodhod_server.gateway.commands import Commands
from hodhod_server.gateway.doors import Doors
from hodhod_server.gateway.errands import Errands
from hodhod_server.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class House:
    """One reference in each connection, in place of five."""

    doors: Doors
    commands: Commands
    errands: Errands
    settings: GatewaySettings
    clock: Clock
