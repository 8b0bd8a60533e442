"""Holds: a device that came in by a text alone waits before it may touch what guards the account.

A thief of a SIM gets a text. The owner's other devices are told at once, and have this long to end
the thief's session before it can shut them out.
"""

from __future__ import annotations

from datetime import datetime

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import Held, Unauthenticated
from hodhod_server.domain.tokens import Caller
from hodhod_server.store import devices
from hodhod_server.store.database import Tx


async def require_unheld(tx: Tx, caller: Caller, now: datetime) -> None:
    """Returns if the caller's device is not held. Raises `Held`."""
    device = await devices.find(tx, caller.device)
    if device is None:
        raise Unauthenticated
    if device.held_until is not None and now < device.held_until:
        raise Held(until=to_ms(device.held_until))
