"""Who does what how often, and on which machines: what a plan assumes. Pure.

Every field has a default, a unit in its name and a reason below it; all of them are told with the
plan, since they are what an operator must doubt first.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

from hodhod_loadtest.shapes.curve import Curve

DAY_S: Final = 86_400
MIB: Final = 2**20
GIB: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What people do."""

    users: float = 1e6
    online_share: float = 0.2
    """Connected at the busiest time. A phone in a pocket mostly is not: push wakes it."""

    messages_per_user_day: float = 20.0
    """Written, over all users."""

    peak_to_mean: float = 4.0
    """The busiest minute in terms of the mean: nights, evenings, and a goal in a football match."""

    readers_per_message: float = 3.0
    """Connected devices that get it at once: private chats one or two, groups more."""

    connects_per_online_hour: float = 6.0
    """Networks change and apps are closed; at the peak."""

    signup_surge: float = 70_000.0
    surge_minutes: float = 10.0
    """Three of five come in the first third, as the scenarios have it."""

    media_gb_day: float = 0.0
    """Sent, by all, 10⁹ bytes."""

    downloads_per_upload: float = 3.0

    @property
    def online(self) -> float:
        """People connected at the peak."""
        return self.users * self.online_share

    @property
    def messages_per_s(self) -> float:
        """At the peak."""
        return self.users * self.messages_per_user_day / DAY_S * self.peak_to_mean

    @property
    def connects_per_s(self) -> float:
        """At the peak."""
        return self.online * self.connects_per_online_hour / 3600

    @property
    def signups_per_s(self) -> float:
        """At the peak of the surge."""
        seconds = self.surge_minutes * 60
        return Curve.front_loaded(1, seconds).peak_per_s * self.signup_surge

    @property
    def upload_mib_per_s(self) -> float:
        """At the peak."""
        return self.media_gb_day * 1e9 / MIB / DAY_S * self.peak_to_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What it runs on, and with how much to spare."""

    machine_cores: int = 16
    machine_memory_gib: float = 64.0
    machine_network_gbit_s: float = 10.0
    use_most: float = 0.5
    """Of each core, of memory and of the network, at the peak: a queue grows fast above."""

    connections_per_gateway: int = 25_000
    """On one process. Not a limit of ours: so many come back at once where one dies."""

    spare_machines: int = 1
    """Of each part: one may be down at the peak. The engines have a standby each instead."""

    kernel_kib_per_connection: float = 8.0
    """Socket buffers, which no process's memory shows. Assumed."""

    row_bytes: float = 400.0
    """A message in PostgreSQL with its indexes. Assumed."""

    frame_bytes: float = 350.0
    """A message on the wire with its frame, TCP and TLS. Assumed."""

    retention_days: float = 365.0
    media_copies: float = 1.0
    """Of each file where it is stored; object stores keep more by themselves."""


def assumptions(*given: Demand | Terms) -> dict[str, Any]:
    """By name, as they were given."""
    return {each.name: getattr(one, each.name) for one in given for each in fields(one)}
