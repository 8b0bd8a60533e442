"""Who may do what to whom, in groups and channels. Pure; each rule raises its refusal.

The owner stands above admins, an admin above members and above the admins that this admin made.
Nobody acts on an equal, and nobody gives what they do not have.
"""

from __future__ import annotations

from datetime import datetime

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.errors import Forbidden, Muted, WrongState
from hodhod_server.domain.memberships import MemberRole, Membership, Standing
from hodhod_server.domain.permissions import FOR_MEMBERS, Permission


def require(actor: Standing, permission: Permission) -> None:
    """Raises `Forbidden` unless the actor has all of it."""
    if permission & ~actor.permissions:
        raise Forbidden


def require_can_post(actor: Standing, now: datetime, *, holds_file: bool) -> None:
    """Raises `Forbidden`, `Muted`. Owner and admins cannot be muted."""
    require(actor, Permission.POST | Permission.SEND_FILES if holds_file else Permission.POST)
    until = actor.member.muted_until
    if until is not None and until > now and actor.member.role is MemberRole.MEMBER:
        raise Muted(retry_after_s=(until - now).total_seconds(), until=to_ms(until))


def is_above(actor: Membership, target: Membership) -> bool:
    """May the actor act on the target at all?"""
    if actor.user == target.user or target.role is MemberRole.OWNER:
        return False
    if actor.role is MemberRole.OWNER:
        return True
    if actor.role is not MemberRole.ADMIN:
        return False
    return target.role is MemberRole.MEMBER or target.promoted_by == actor.user


def require_can_manage(actor: Standing, target: Membership) -> None:
    """Remove, ban, mute or restrict. Raises `Forbidden`."""
    require(actor, Permission.MANAGE_MEMBERS)
    if not is_above(actor.member, target):
        raise Forbidden


def require_can_ban_stranger(actor: Standing) -> None:
    """Ban somebody who is not a member. Raises `Forbidden`."""
    require(actor, Permission.MANAGE_MEMBERS)
    if actor.member.role is MemberRole.MEMBER:
        raise Forbidden


def require_can_appoint(actor: Standing, target: Membership, granted: Permission) -> None:
    """Make somebody an admin with these permissions, or change an admin's. Raises `Forbidden`."""
    require(actor, Permission.PROMOTE | granted)
    if not is_above(actor.member, target):
        raise Forbidden


def require_can_dismiss(actor: Standing, target: Membership) -> None:
    """Make an admin a member again. Raises `Forbidden`."""
    require(actor, Permission.PROMOTE)
    if not is_above(actor.member, target):
        raise Forbidden


def require_can_set_rules(actor: Standing, defaults: Permission | None) -> None:
    """Change what holds for all members. Raises `Forbidden`; only owner and admins may.

    Members are given nothing but what members may have.
    """
    require(actor, Permission.MANAGE_MEMBERS)
    if actor.member.role is MemberRole.MEMBER or (defaults or Permission(0)) & ~FOR_MEMBERS:
        raise Forbidden


def require_can_leave(actor: Membership) -> None:
    """Raises `WrongState`: an owner hands the chat over first."""
    if actor.role is MemberRole.OWNER:
        raise WrongState("hand the chat over before you leave it")


def require_can_hand_over(actor: Membership, target: Membership) -> None:
    """Make somebody else the owner. Raises `Forbidden`, `WrongState`."""
    if actor.role is not MemberRole.OWNER:
        raise Forbidden
    if actor.user == target.user:
        raise WrongState("you are the owner")
