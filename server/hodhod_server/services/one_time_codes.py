"""Enrolling an authenticator app: its secret guards nothing before it was shown to work."""

from __future__ import annotations

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import WrongState
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.tokens import Caller
from hodhod_server.domain.totp import TotpSecret, random_totp_secret, seal_totp
from hodhod_server.services.guards import Guards
from hodhod_server.services.holds import require_unheld
from hodhod_server.store import accounts, guards
from hodhod_server.store.database import Database


class OneTimeCodes:
    """What can be done with an authenticator app."""

    def __init__(self, database: Database, keys: Keys, clock: Clock, guards: Guards) -> None:
        self._database = database
        self._cipher = keys.totp_cipher
        self._clock = clock
        self._guards = guards

    async def enrol(self, caller: Caller) -> tuple[TotpSecret, str]:
        """A secret for the app, and the text of its picture.

        Raises `Held`, `WrongState` where an app guards the account already.
        """
        secret = random_totp_secret()
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            if not await guards.enrol_totp(tx, caller.user, seal_totp(self._cipher, secret)):
                raise WrongState("remove the one that is there first")
            user = await accounts.load_user(tx, caller.user)
        return secret, secret.uri(user.name)

    async def confirm(self, caller: Caller, code: str) -> None:
        """From now on the app guards the account. Raises `TotpWrong`, `TriesExhausted`, `Held`."""
        async with self._database.connection() as connection:
            await require_unheld(connection, caller, self._clock.now())
        await self._guards.require_totp(caller.user, code, is_enrolling=True)
        async with self._database.transaction() as tx:
            await guards.confirm_totp(tx, caller.user, self._clock.now())

    async def remove(self, caller: Caller) -> None:
        """No app guards the account any more. Raises `Held`."""
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            await guards.remove_totp(tx, caller.user)
