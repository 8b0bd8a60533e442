"""Whose a proved number is, and what follows: an account entered, one made, one left without it.

Signing up, and whatever else proves a number, asks here and nowhere else. A number that passes on
takes nothing with it: the account it leaves keeps its history, groups and contacts, is marked, and
may for a while be entered by its other proofs.
"""

from __future__ import annotations

import msgspec

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ChallengeExpired, HodhodError, NameInvalid, NameRequired
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.models import User
from hodhod_server.domain.names import parse_name
from hodhod_server.domain.ownership import (
    Decision,
    Evidence,
    Owner,
    OwnershipRules,
    decide,
    fresh_from,
)
from hodhod_server.services.account_notices import AccountNotices, NoticeKind
from hodhod_server.services.guards import Guards
from hodhod_server.settings import ReturningSettings
from hodhod_server.store import accounts
from hodhod_server.store.database import Tx
from hodhod_server.telemetry import logs

log = logs.get("ownership")


class Number(msgspec.Struct, frozen=True):
    """A number that was proved, as the database knows it."""

    phone_hash: bytes
    phone_sealed: bytes

    def __repr__(self) -> str:
        return "Number()"


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the number lets in."""

    user: User
    is_new: bool
    is_by_text_alone: bool = False
    displaced: User | None = None
    """Who had the number before."""


class Guarded(msgspec.Struct, frozen=True):
    """First the guard of this account has to be passed, then ask again."""

    owner: Owner


class Ownership:
    """Decides, and does what follows."""

    def __init__(
        self, clock: Clock, guards: Guards, notices: AccountNotices, settings: ReturningSettings
    ) -> None:
        self._clock = clock
        self._guards = guards
        self._notices = notices
        self.rules = msgspec.convert(settings, OwnershipRules, from_attributes=True)

    async def settle(
        self, tx: Tx, number: Number, evidence: Evidence
    ) -> Granted | Guarded | HodhodError:
        """Whose the number is. Its lock is held. A refusal is a value: the proof stays accepted."""
        now = self._clock.now()
        owner = await accounts.find_owner(tx, number.phone_hash)
        if evidence.vouched_by is not None and evidence.vouched_by != _user_of(owner):
            return ChallengeExpired()  # it was approved by who had the number then
        decision = decide(owner, evidence, self.rules, now)
        if owner is not None and decision is Decision.GUARDED:
            return Guarded(owner)
        if owner is not None and decision is Decision.EXISTING:
            is_by_text_alone = evidence.vouched_by is None and evidence.proved is None
            return Granted(user=owner.user, is_new=False, is_by_text_alone=is_by_text_alone)
        return await self._grant_fresh(tx, number, evidence, owner)

    async def prove(self, guarded: Guarded, evidence: Evidence) -> Evidence:
        """The evidence with the guard passed. Raises as `Guards.prove`."""
        owner = guarded.owner
        await self._guards.prove(owner, evidence, fresh_from(owner, self.rules))
        return msgspec.structs.replace(evidence, proved=owner.user.user)

    def tell(self, granted: Granted) -> None:
        """After the commit: who lost the number is told."""
        if granted.displaced is not None:
            log.info("number.passed_on", user=granted.displaced.user)
            self._notices.tell(granted.displaced.user, NoticeKind.NUMBER_LOST)

    async def _grant_fresh(
        self, tx: Tx, number: Number, evidence: Evidence, owner: Owner | None
    ) -> Granted | HodhodError:
        if evidence.name is None or not evidence.name.strip():
            return NameRequired()
        try:
            name = parse_name(evidence.name)
        except NameInvalid as refusal:
            return refusal
        now = self._clock.now()
        if owner is not None:
            await accounts.lose_number(tx, owner.user.user, now)
        user = await accounts.insert_user(
            tx,
            phone_hash=number.phone_hash,
            phone_sealed=number.phone_sealed,
            name=name,
            now=now,
        )
        displaced = None if owner is None else owner.user
        return Granted(user=user, is_new=True, displaced=displaced)


def _user_of(owner: Owner | None) -> UserId | None:
    return None if owner is None else owner.user.user
