"""Returning by a key that was kept: no text, and the account as it was.

The key stands for the text, not for the guards: an account with a PIN asks for it here, too.
Answers and work are the same whether a number has an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import Held, Malformed, RecoveryKeyInvalid
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import Entrant, Session
from hodhod_server.domain.ownership import Evidence
from hodhod_server.domain.phone import Phone, phone_hash
from hodhod_server.domain.return_keys import ReturnKey, ReturnKind, find_key, random_key
from hodhod_server.domain.tokens import Caller
from hodhod_server.domain.tries import Allowance, subject
from hodhod_server.services.entrance import TWIN_WITHIN, Entrance
from hodhod_server.services.guards import Guards
from hodhod_server.services.holds import require_unheld
from hodhod_server.settings import ReturningSettings
from hodhod_server.store import return_keys, tries
from hodhod_server.store.database import Database

KEYS_MAX: Final = return_keys.LOGOUT_KEYS_MAX
_TRIES: Final = "return"


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to come back, and by what."""

    phone: Phone
    kind: ReturnKind
    keys: Sequence[str]
    entrant: Entrant
    evidence: Evidence

    def __repr__(self) -> str:
        return f"Return({self.kind})"


class Returns:
    """What can be done with return keys."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        guards: Guards,
        entrance: Entrance,
        settings: ReturningSettings,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._guards = guards
        self._entrance = entrance
        self._allowance = Allowance(settings.key_tries_max, settings.key_refill_s)
        self._logout_life = timedelta(days=settings.return_token_days)
        self._claimable = timedelta(days=settings.claim_days)

    async def set_recovery_key(self, caller: Caller, made_by_client: str | None) -> ReturnKey:
        """The caller's recovery key from now on. Raises `Malformed`, `Held`."""
        key = random_key() if made_by_client is None else find_key(made_by_client)
        if key is None:
            raise Malformed("a key is 32 random bytes, base64url")
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            await return_keys.set_recovery(tx, caller.user, key, self._clock.now())
        return key

    async def remove_recovery_key(self, caller: Caller) -> None:
        """No recovery key lets the caller in any more. Raises `Held`."""
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            await return_keys.remove_recovery(tx, caller.user)

    async def sign_out(self, caller: Caller) -> ReturnKey | None:
        """End the caller's own session, and give the device a token to return by.

        A device that is held gets none: it would come back without the hold.
        """
        now = self._clock.now()
        key: ReturnKey | None = random_key()
        async with self._database.connection() as connection:
            try:
                await require_unheld(connection, caller, now)
            except Held:
                key = None
            if key is not None:
                ends_at = now + self._logout_life
                await return_keys.add_logout(connection, caller.user, key, now, ends_at)
        await self._entrance.sessions.end(caller, caller.device)
        return key

    async def return_by_key(self, wanted: Return) -> Session:
        """Let a device in that shows a key of this number's account.

        Raises `RecoveryKeyInvalid`, `TriesExhausted`, and as `Guards.prove`.
        """
        index, now = phone_hash(self._keys.phone_index, wanted.phone), self._clock.now()
        shown = [key for text in wanted.keys[:KEYS_MAX] if (key := find_key(text)) is not None]
        async with self._database.connection() as connection:
            await tries.take(connection, subject(_TRIES, index), self._allowance, now)
            found = await return_keys.find_owner(
                connection, shown, index, wanted.kind, now, now - self._claimable
            )
        if found is None:
            raise RecoveryKeyInvalid
        key_hash, owner = found
        if owner.is_guarded:
            await self._guards.prove(owner, wanted.evidence, None)
        async with self._database.transaction() as tx:
            await return_keys.use_up(tx, key_hash, now + TWIN_WITHIN)
            session = await self._entrance.admit_again(tx, owner.user, wanted.entrant)
        self._entrance.tell(session, wanted.entrant, f"{wanted.kind}_key")
        return session
