"""What the fake knows of a group or channel, and who may do what in it. In memory, no I/O.

The rules are those of a server in short: the owner may everything, an admin what was given and what
everybody may, a member what everybody may unless restricted. Who stands above whom is not checked.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from hodhod._models import Permission
from hodhod_wire.errors import ErrorCode
from hodhod_wire.frames import OwnMembership

GROUP_DEFAULT: Final = ("post", "send_files", "invite")
STATUSES: Final = {
    ErrorCode.CHAT_NOT_FOUND: 404,
    ErrorCode.USER_NOT_FOUND: 404,
    ErrorCode.MEMBER_NOT_FOUND: 404,
    ErrorCode.INVITE_NOT_FOUND: 404,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.TITLE_INVALID: 400,
    ErrorCode.WRONG_STATE: 409,
}


class Denied(Exception):
    """A refusal, on its way out."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUSES.get(self.code, 403)


@dataclass(slots=True)
class Seat:
    """One member."""

    role: str = "member"
    permissions: list[str] | None = None
    """An admin's own, or the most that a restricted member keeps."""
    muted_until: int | None = None
    first_seq: int = 1


@dataclass(slots=True, kw_only=True)
class FakeInvite:
    """A link in force."""

    link: int
    created_by: int
    expires_at: int | None = None
    uses_max: int | None = None
    requires_approval: bool = False
    uses: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))


@dataclass(slots=True, kw_only=True)
class FakeGroup:
    """What a group or channel has beyond any chat."""

    kind: str
    settings: dict[str, Any]
    """As they travel: `title`, `about`, `default_permissions` …"""
    seats: dict[int, Seat] = field(default_factory=dict)
    bans: dict[int, tuple[int | None, int]] = field(default_factory=dict)
    """User → (until, banned by)."""
    invites: list[FakeInvite] = field(default_factory=list)
    waiting: dict[int, FakeInvite] = field(default_factory=dict)

    def membership(self, user: int) -> OwnMembership:
        """What the user is and may do."""
        seat = self.seats[user]
        return OwnMembership(
            role=seat.role,
            permissions=self._permissions(seat),
            own_permissions=seat.permissions,
            muted_until=seat.muted_until,
            first_seq=seat.first_seq,
        )

    def require(self, user: int, permission: str) -> None:
        """Raises `Denied`."""
        self.require_seat(user, ErrorCode.CHAT_NOT_FOUND)
        if permission not in self._permissions(self.seats[user]):
            raise Denied(ErrorCode.FORBIDDEN)

    def require_may_post(self, user: int) -> None:
        """Raises `Denied`. A mute has no end but `unmute` here, where time stands still."""
        self.require(user, Permission.POST)
        if self.seats[user].muted_until is not None:
            raise Denied(ErrorCode.MUTED)

    def require_seat(self, user: int, code: ErrorCode = ErrorCode.MEMBER_NOT_FOUND) -> Seat:
        """The member. Raises `Denied`."""
        if user not in self.seats:
            raise Denied(code)
        return self.seats[user]

    def require_invite(self, token: str) -> FakeInvite:
        """The link with a free place. Raises `Denied`."""
        for invite in self.invites:
            if invite.token == token and invite.uses != invite.uses_max:
                return invite
        raise Denied(ErrorCode.INVITE_NOT_FOUND)

    @property
    def hides_sender(self) -> bool:
        """Posts are the channel's own."""
        return self.kind == "channel" and not self.settings["signs_posts"]

    def _permissions(self, seat: Seat) -> list[str]:
        default: list[str] = list(self.settings["default_permissions"])
        if seat.role == "owner":
            return [str(one) for one in Permission]
        if seat.role == "admin":
            return [*default, *(one for one in seat.permissions or [] if one not in default)]
        return [one for one in default if seat.permissions is None or one in seat.permissions]
