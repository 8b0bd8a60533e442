"""What a role is, open: an HTTP application with everything behind it, and its loops.

A role opens a pool of its own, so that a surge in one cannot take another's connections. Roles that
stand together in one process, without borders between them, are handed the pool they share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from hodhod_server.domain.keys import Keys
from hodhod_server.settings import DatabaseSettings, Settings
from hodhod_server.store.database import Database, open_database

Loop = Callable[[], Awaitable[None]]


class Role(StrEnum):
    """What one process does."""

    GATEWAY = "gateway"
    SIGNUP = "signup"
    MEDIA = "media"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A role, open: its edge, and the loops that run beside it."""

    app: web.Application
    loops: Sequence[Loop] = ()


def own_or_shared(
    shared: Database | None, settings: DatabaseSettings, role: Role, *, spared: int = 0
) -> AbstractAsyncContextManager[Database]:
    """The pool that roles of this process share, or else one for this role, less those `spared`."""
    return nullcontext(shared) if shared else open_database(settings, role, spared=spared)


def keys_of(settings: Settings) -> Keys:
    """The keys of this installation. Raises `ValueError` for a master key that is none."""
    return Keys.from_master(settings.security.master_key)
