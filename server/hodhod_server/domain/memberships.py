"""A chat and a member of it, as far as rights and fan-out go.

Both carry the chat's `version` at which they were read; what they allow holds while the chat still
has the older of the two.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from hodhod_server.domain.ids import ChatId, UserId
from hodhod_server.domain.permissions import EVERYTHING, NOTHING, Permission


class ChatKind(StrEnum):
    """What a chat is."""

    PRIVATE = "private"
    GROUP = "group"
    CHANNEL = "channel"


class MemberRole(StrEnum):
    """What a member is. There is one owner, always."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class ChatRights(msgspec.Struct, frozen=True, kw_only=True):
    """What of a chat decides about its messages. `users` is empty in a broadcast chat."""

    chat: ChatId
    kind: ChatKind
    version: int = 0
    is_broadcast: bool = False
    users: tuple[UserId, ...] = ()
    permissions: Permission = NOTHING
    slow_mode_s: int = 0
    signs_posts: bool = True


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What of a member decides about what they may do and see."""

    user: UserId
    role: MemberRole = MemberRole.MEMBER
    version: int = 0
    permissions: Permission | None = None
    promoted_by: UserId | None = None
    muted_until: datetime | None = None
    first_seq: int = 1

    def effective(self, default: Permission) -> Permission:
        """What they may do where members may do `default`; a mute is not looked at."""
        match self.role:
            case MemberRole.OWNER:
                return EVERYTHING
            case MemberRole.ADMIN:
                return default | (self.permissions or NOTHING)
            case _:
                return default if self.permissions is None else default & self.permissions


class Standing(msgspec.Struct, frozen=True):
    """A member in a chat."""

    chat: ChatRights
    member: Membership

    @property
    def version(self) -> int:
        """The chat's version for which both are true."""
        return min(self.chat.version, self.member.version)

    @property
    def permissions(self) -> Permission:
        """What the member may do; a mute is not looked at."""
        return self.member.effective(self.chat.permissions)


ANYBODY: Final = Membership(user=UserId(0))  # a member of a private chat: nothing to tell apart
