"""The door put together: the room, the gatekeeper, and the loop that shares what they know."""

from __future__ import annotations

import random
import socket
from typing import NamedTuple

from hodhod_server.cluster.door_board import DoorBoard
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.load import Load
from hodhod_server.services.door_sharing import DoorSharing
from hodhod_server.services.gatekeeper import Gatekeeper
from hodhod_server.services.waiting_room import Pace, WaitingRoom
from hodhod_server.settings import DoorSettings


class Door(NamedTuple):
    """What decides, and what runs beside it."""

    gatekeeper: Gatekeeper
    sharing: DoorSharing


def build_door(
    settings: DoorSettings,
    keys: Keys,
    clock: Clock,
    board: DoorBoard,
    pace: Pace,
    load: Load | None = None,
) -> Door:
    """The door of one process; `pace` is the dispatcher's, `load` the process's own."""
    room = WaitingRoom(settings, keys.ticket, pace, random.Random(), load)
    gatekeeper = Gatekeeper(settings, keys, clock, room)
    return Door(gatekeeper, DoorSharing(gatekeeper, room, pace, board, clock))


def process_name(port: int) -> str:
    """The same after a restart, so that a process finds what it had counted."""
    return f"{socket.gethostname()}:{port}"
