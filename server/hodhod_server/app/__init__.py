"""The composition root: settings → adapters → services → edges, per role.

The only place that knows all names. Each role is an async context manager that yields its HTTP
application with everything behind it open, and its background loops; `run` gives it sockets and
signals. No `if` here is about business.

A role is imported when it is asked for: what all others need takes a process 16 MB.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from hodhod_server.app.parts import Loop, Parts, Role, keys_of
from hodhod_server.app.running import COLLECT_AFTER, ROLES, run, run_all

if TYPE_CHECKING:
    from hodhod_server.app.files import media, worker
    from hodhod_server.app.gateways import gateway, note_change, note_gap
    from hodhod_server.app.newcomers import signup

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
_PLACES: Final = {
    "gateway": "gateways",
    "media": "files",
    "note_change": "gateways",
    "note_gap": "gateways",
    "signup": "newcomers",
    "worker": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
