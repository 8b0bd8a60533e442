"""What guards an account beside its number: the PIN, the one-time code, the hold of a new device.

Always true: a try is written down before it is judged, so however many come at once, no more are
judged than the allowance has. The tries of PIN and one-time code are one allowance. When it is used
up, the keys that would spare a text are gone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import (
    PinRequired,
    PinWrong,
    TotpRequired,
    TotpWrong,
    Unauthenticated,
)
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.ownership import Evidence, Owner
from hodhod_server.domain.pins import Pin, parse_pin
from hodhod_server.domain.tokens import Caller
from hodhod_server.domain.totp import open_totp
from hodhod_server.domain.tries import Allowance, subject
from hodhod_server.services.account_notices import AccountNotices, NoticeKind
from hodhod_server.services.holds import require_unheld
from hodhod_server.services.pin_hashing import PinHasher
from hodhod_server.settings import ReturningSettings
from hodhod_server.store import accounts, devices, guards, return_keys, tries
from hodhod_server.store.database import Database
from hodhod_server.telemetry import logs, metrics

log = logs.get("guards")
_GUARD: Final = "guard"


class Guards:
    """The guards of all accounts, as one process works on them."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        hasher: PinHasher,
        notices: AccountNotices,
        settings: ReturningSettings,
    ) -> None:
        self._database = database
        self._cipher = keys.totp_cipher
        self._clock = clock
        self._hasher = hasher
        self._notices = notices
        self._allowance = Allowance(settings.pin_tries_max, settings.pin_refill_s)

    async def overview(self, caller: Caller) -> guards.Overview:
        """Which guards the caller's account has."""
        async with self._database.connection() as connection:
            found = await guards.overview(connection, caller)
        if found is None:
            raise Unauthenticated
        return found

    async def set_pin(self, caller: Caller, text: str) -> None:
        """From now on this PIN guards the account. Raises `PinInvalid`, `Held`, `Overloaded`."""
        pin = parse_pin(text)
        async with self._database.connection() as connection:
            await require_unheld(connection, caller, self._clock.now())
        pin_hash = await self._hasher.hash(pin, caller.user)
        await self._store_pin(caller, pin_hash)

    async def remove_pin(self, caller: Caller) -> None:
        """No PIN guards the account any more. Raises `Held`."""
        await self._store_pin(caller, None)

    async def _store_pin(self, caller: Caller, pin_hash: str | None) -> None:
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            await guards.set_pin(tx, caller.user, pin_hash)
            await tries.forget(tx, subject(_GUARD, caller.user))

    async def prove(self, owner: Owner, evidence: Evidence, fresh_from: datetime | None) -> None:
        """Returns if the guard of the account lets this evidence pass: the PIN, else the code.

        Raises `PinRequired`, `PinWrong`, `PinInvalid`, `TotpRequired`, `TotpWrong`,
        `TriesExhausted`, `Overloaded`.
        """
        user = owner.user.user
        if owner.has_pin:
            if evidence.pin is None:
                raise PinRequired(**_free_at(fresh_from))
            await self._require_pin(user, parse_pin(evidence.pin))
        elif owner.has_totp:
            if evidence.totp is None:
                raise TotpRequired(**_free_at(fresh_from))
            await self.require_totp(user, evidence.totp)

    async def prove_own(self, caller: Caller, evidence: Evidence) -> None:
        """As `prove` for the caller's own account."""
        async with self._database.connection() as connection:
            user = await accounts.load_user(connection, caller.user)
            stored = await guards.find(connection, caller.user)
        has_totp = stored.totp_confirmed_at is not None
        owner = Owner(user=user, has_pin=stored.pin_hash is not None, has_totp=has_totp)
        await self.prove(owner, evidence, None)

    async def lift_hold(self, caller: Caller, evidence: Evidence) -> None:
        """The caller's device need not wait any more. Raises as `prove`."""
        if evidence.totp is not None:
            await self.require_totp(caller.user, evidence.totp)
        else:
            await self._require_pin(caller.user, parse_pin(evidence.pin or ""))
        async with self._database.transaction() as tx:
            await devices.lift_hold(tx, caller.device)

    async def require_totp(self, user: UserId, code: str, *, is_enrolling: bool = False) -> None:
        """Returns if it is a one-time code of now, unused. Raises `TotpWrong`, `TriesExhausted`."""
        left = await self._take_try(user)
        now = self._clock.now()
        async with self._database.connection() as connection:
            stored = await guards.find(connection, user)
            step = None
            if stored.totp_sealed is not None and (stored.totp_confirmed_at or is_enrolling):
                step = open_totp(self._cipher, stored.totp_sealed).find_step(code, now)
            is_right = step is not None and await guards.use_totp_step(connection, user, step)
        if not is_right:
            await self._note_wrong(user, left)
            raise TotpWrong(tries_left=left)
        await self._note_right(user)

    async def _require_pin(self, user: UserId, pin: Pin) -> None:
        left = await self._take_try(user)
        async with self._database.connection() as connection:
            stored = (await guards.find(connection, user)).pin_hash
        if stored is None or not await self._hasher.is_right(pin, user, stored):
            await self._note_wrong(user, left)
            raise PinWrong(tries_left=left)
        await self._note_right(user)

    async def _take_try(self, user: UserId) -> int:
        async with self._database.connection() as connection:
            return await tries.take(
                connection, subject(_GUARD, user), self._allowance, self._clock.now()
            )

    async def _note_right(self, user: UserId) -> None:
        metrics.GUARD_TRIES.labels("right").inc()
        async with self._database.connection() as connection:
            await tries.forget(connection, subject(_GUARD, user))

    async def _note_wrong(self, user: UserId, left: int) -> None:
        metrics.GUARD_TRIES.labels("wrong").inc()
        log.info("guard.refused", user=user, tries_left=left)
        if left > 0:
            self._notices.tell(user, NoticeKind.PIN_WRONG)
            return
        async with self._database.connection() as connection:
            await return_keys.remove_all(connection, user)
        self._notices.tell(user, NoticeKind.PIN_LOCKED)


def _free_at(moment: datetime | None) -> dict[str, Any]:
    return {} if moment is None else {"fresh_from": to_ms(moment)}
