"""Changing one's number: the new one is proved like any other, the account stays the same.

Always true: a number belongs to one account. One that has an account is only taken from it where it
would be free for a newcomer as well. Keys that named the account by its old number are gone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from hodhod_server.domain.challenge_secrets import is_challenge_secret
from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ChallengeExpired, ChallengeNotFound, NumberTaken, WrongState
from hodhod_server.domain.ids import ChallengeId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.ownership import Decision, Evidence, decide
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.account_notices import AccountNotices, NoticeKind
from hodhod_server.services.guards import Guards
from hodhod_server.services.holds import require_unheld
from hodhod_server.services.ownership import Ownership
from hodhod_server.store import accounts, challenges, return_keys, sign_ins
from hodhod_server.store.database import Database, Tx

PROVED_WITHIN: Final = timedelta(minutes=10)


class NewNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The accepted challenge of the new number, and what guards the account."""

    challenge: ChallengeId
    secret: str
    evidence: Evidence

    def __repr__(self) -> str:
        return f"NewNumber({self.challenge})"


class Numbers:
    """Changes of numbers."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        guards: Guards,
        ownership: Ownership,
        notices: AccountNotices,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._guards = guards
        self._ownership = ownership
        self._notices = notices

    async def change(self, caller: Caller, wanted: NewNumber) -> None:
        """The caller's account has the challenge's number from now on.

        Raises `ChallengeNotFound`, `ChallengeExpired`, `WrongState` where no code was accepted,
        `NumberTaken`, `Held`, and as `Guards.prove`.
        """
        key = self._keys.challenge_secret
        if not is_challenge_secret(key, wanted.challenge, wanted.secret):
            raise ChallengeNotFound
        async with self._database.connection() as connection:
            await require_unheld(connection, caller, self._clock.now())
        await self._guards.prove_own(caller, wanted.evidence)
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            challenge = await challenges.lock(tx, wanted.challenge)
            self._require_proved(challenge)
            displaced = await self._take(tx, caller, challenge, wanted.evidence)
            await sign_ins.refuse(tx, challenge.challenge, self._clock.now())  # it is used up
        self._notices.tell(caller.user, NoticeKind.NUMBER_CHANGED)
        if displaced is not None:
            self._notices.tell(displaced, NoticeKind.NUMBER_LOST)

    async def _take(
        self, tx: Tx, caller: Caller, challenge: Challenge, evidence: Evidence
    ) -> UserId | None:
        now = self._clock.now()
        owner = await accounts.find_owner(tx, challenge.phone_hash)
        if owner is not None and owner.user.user == caller.user:
            return None
        shown = Evidence(wants_fresh=evidence.wants_fresh)
        if decide(owner, shown, self._ownership.rules, now) is not Decision.FRESH:
            raise NumberTaken
        if owner is not None:
            await accounts.lose_number(tx, owner.user.user, now)
        await accounts.change_number(
            tx,
            caller.user,
            phone_hash=challenge.phone_hash,
            phone_sealed=challenge.phone_sealed,
        )
        await return_keys.remove_all(tx, caller.user)
        return None if owner is None else owner.user.user

    def _require_proved(self, challenge: Challenge) -> None:
        if challenge.refused_at is not None or challenge.device is not None:
            raise WrongState("this challenge was used")
        if challenge.accepted_at is None or challenge.accepted_by == "device":
            raise WrongState("the code is still to be shown")
        if self._clock.now() >= challenge.accepted_at + PROVED_WITHIN:
            raise ChallengeExpired
