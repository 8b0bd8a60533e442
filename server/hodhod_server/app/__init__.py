"""The composition root: settings → adapters → services → edges, per role.

The only place that knows all names. Each role is an async context manager that yields its HTTP
application with everything behind it open, and its background loops; `run` gives it sockets and
signals. No `if` here is about business.
"""

from __future__ import annotations

from hodhod_server.app.files import media, worker
from hodhod_server.app.gateways import gateway, note_change, note_gap
from hodhod_server.app.newcomers import signup
from hodhod_server.app.parts import Loop, Parts, Role, keys_of
from hodhod_server.app.running import COLLECT_AFTER, ROLES, run, run_all

__all__ = [
    "COLLECT_AFTER",
    "ROLES",
    "Loop",
    "Parts",
    "Role",
    "gateway",
    "keys_of",
    "media",
    "note_change",
    "note_gap",
    "run",
    "run_all",
    "signup",
    "worker",
]
