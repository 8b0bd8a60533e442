"""What a role is, open: an HTTP application with everything behind it, and its loops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from hodhod_server.domain.keys import Keys
from hodhod_server.settings import Settings

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


def keys_of(settings: Settings) -> Keys:
    """The keys of this installation. Raises `ValueError` for a master key that is none."""
    return Keys.from_master(settings.security.master_key)
