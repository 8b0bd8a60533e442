"""Vouchers: who has been here a while may bring newcomers, who then wait in the shorter lane.

Of a voucher nothing is stored but how many its account had in the week. Always true: an account
has at most `invites_per_week` of a week, each with its own serial number.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import RateLimited, TriesExhausted
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.tokens import Caller
from hodhod_server.domain.tries import Allowance, subject
from hodhod_server.domain.vouchers import WEEK_S, Voucher, mint_voucher, week_of
from hodhod_server.services.holds import require_unheld
from hodhod_server.settings import DoorSettings
from hodhod_server.store import accounts, tries
from hodhod_server.store.database import Database


class Vouchers:
    """What an account does for newcomers."""

    def __init__(
        self, database: Database, keys: Keys, clock: Clock, settings: DoorSettings
    ) -> None:
        self._database = database
        self._key = keys.ticket
        self._clock = clock
        self._from_s = settings.invites_from_s
        # Nothing comes back within the week, and the count is swept some time after it.
        self._allowance = Allowance(settings.invites_per_week, 2 * WEEK_S)

    async def mint(self, caller: Caller) -> tuple[str, datetime]:
        """One voucher more, and until when it is good.

        Raises `RateLimited` for an account that is too young or has had all of this week, `Held`.
        """
        now = self._clock.now()
        now_s = now.timestamp()
        week = week_of(now_s)
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, now)
            user = await accounts.load_user(tx, caller.user)
            young_s = self._from_s - (now - user.created_at).total_seconds()
            if young_s > 0:
                raise RateLimited(retry_after_s=round(young_s, 1))
            name = subject(f"voucher:{week}", caller.user)
            try:
                left = await tries.take(tx, name, self._allowance, now)
            except TriesExhausted:
                raise RateLimited(retry_after_s=round((week + 1) * WEEK_S - now_s, 1)) from None
        serial = self._allowance.tries_max - left - 1
        voucher = mint_voucher(self._key, Voucher(caller.user, week, serial))
        return voucher, datetime.fromtimestamp((week + 2) * WEEK_S, UTC)
