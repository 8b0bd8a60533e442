"""Doors for tests: one that lets everybody in, and a pace that a test sets."""

from __future__ import annotations

from random import Random
from typing import Final

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.keys import Keys
from hodhod_server.services.gatekeeper import Gatekeeper
from hodhod_server.services.waiting_room import WaitingRoom
from hodhod_server.settings import DoorSettings

WIDE_OPEN: Final = DoorSettings(
    phone_devices_soft=1_000,
    phone_devices_hard=1_000,
    device_phones_soft=1_000,
    device_phones_hard=1_000,
    device_phones_week=1_000,
    neighbourhood_soft=1_000,
    block_soft=1_000,
    block_hard=1_000,
    unproven_max=1_000,
)


class NoQueue:
    """The pace of a process that hands each code over at once."""

    def wait_s(self) -> tuple[float, float]:
        return 0.0, 0.0

    def handed_over_per_s(self) -> float:
        return 0.0

    def may_enter_per_s(self) -> float:
        return 0.0

    def is_leading(self) -> bool:
        return True


class SetPace:
    """A dispatcher that says what the test tells it to."""

    def __init__(self, wait_s: float = 0.0, per_s: float = 100.0) -> None:
        self.now_waits_s = wait_s
        self.per_s = per_s
        self.leads = True

    def wait_s(self) -> tuple[float, float]:
        return self.now_waits_s, self.now_waits_s * 1.5

    def handed_over_per_s(self) -> float:
        return self.per_s

    def may_enter_per_s(self) -> float:
        return self.per_s

    def is_leading(self) -> bool:
        return self.leads


def gatekeeper_of(settings: DoorSettings, keys: Keys, clock: Clock) -> Gatekeeper:
    """A gatekeeper by itself, with an empty room."""
    room = WaitingRoom(settings, keys.ticket, NoQueue(), Random(7))
    return Gatekeeper(settings, keys, clock, room)
