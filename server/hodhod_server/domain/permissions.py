"""What a member of a group or channel may do: a closed set, and where a member's set comes from.

Names travel (`post`, `send_files` …), bits are stored. A bit is never given another meaning. A
name that a server does not know is refused, so that nobody believes to have restricted what is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import Final

from hodhod_server.domain.errors import Malformed


class Permission(IntFlag):
    """One bit each. The first four may be everybody's, the others are for admins."""

    POST = 1
    SEND_FILES = 2
    INVITE = 4
    CHANGE_INFO = 8
    MANAGE_MEMBERS = 16
    MANAGE_LINKS = 32
    APPROVE_REQUESTS = 64
    PROMOTE = 128


NOTHING: Final = Permission(0)
EVERYTHING: Final = Permission(255)
FOR_MEMBERS: Final = (
    Permission.POST | Permission.SEND_FILES | Permission.INVITE | Permission.CHANGE_INFO
)
GROUP_DEFAULT: Final = Permission.POST | Permission.SEND_FILES | Permission.INVITE
CHANNEL_DEFAULT: Final = NOTHING


def names_of(permissions: Permission) -> list[str]:
    """The names, in the order of the bits."""
    return [one.name.lower() for one in Permission if one in permissions and one.name]


def from_names(names: Iterable[str]) -> Permission:
    """The set with these names. Raises `Malformed` for a name that is none."""
    found = NOTHING
    for name in names:
        one = Permission.__members__.get(name.upper())
        if one is None or not name.islower():
            raise Malformed("permissions has a name that is none")
        found |= one
    return found
