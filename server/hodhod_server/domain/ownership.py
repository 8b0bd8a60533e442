"""Who a number is, once it was proved: the account it had, a fresh one, or first the PIN.

Numbers pass from one person to another, and a SIM can be stolen. So a proved number alone gives the
account only while the account was seen lately and nothing guards it; history, groups and contacts
are never handed over to who comes after.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.models import User


class OwnershipRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide; `[returning]` explains each."""

    idle_days: int
    pin_days: int
    claim_days: int


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """An account, what guards it, and when any of its devices was last seen."""

    user: User
    has_pin: bool
    has_totp: bool
    last_seen_at: datetime | None = None

    @property
    def is_guarded(self) -> bool:
        """Is something asked besides the number?"""
        return self.has_pin or self.has_totp


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody shows besides the proof of the number."""

    name: str | None = None
    pin: str | None = None
    totp: str | None = None
    wants_fresh: bool = False
    vouched_by: UserId | None = None
    """A device of this account approved."""
    proved: UserId | None = None
    """The PIN or one-time code of this account was right."""

    def __repr__(self) -> str:
        return "Evidence()"


class Decision(StrEnum):
    """What a proved number gives."""

    EXISTING = "existing"
    FRESH = "fresh"
    GUARDED = "guarded"


def fresh_from(owner: Owner, rules: OwnershipRules) -> datetime:
    """From when on the number of a guarded account may be had without the PIN."""
    assert owner.last_seen_at is not None
    return owner.last_seen_at + timedelta(days=rules.pin_days)


def decide(
    owner: Owner | None, evidence: Evidence, rules: OwnershipRules, now: datetime
) -> Decision:
    """Whose the number is."""
    if owner is None:
        return Decision.FRESH
    if owner.user.user in (evidence.vouched_by, evidence.proved):
        return Decision.EXISTING
    if owner.is_guarded:
        is_free = evidence.wants_fresh and now >= fresh_from(owner, rules)
        return Decision.FRESH if is_free else Decision.GUARDED
    assert owner.last_seen_at is not None
    is_idle = now - owner.last_seen_at > timedelta(days=rules.idle_days)
    return Decision.FRESH if is_idle else Decision.EXISTING
