"""The way in: a device of a known person gets its session, and the others are told.

Whatever proved the person, a code, a key, another device, comes through here, so that holds,
notices and repeated requests are the same for all.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.models import Entrant, Session, User
from hodhod_server.domain.refresh_tokens import RefreshToken, random_token
from hodhod_server.services.account_notices import AccountNotices
from hodhod_server.services.ownership import Granted, Ownership
from hodhod_server.services.sessions import Sessions
from hodhod_server.services.sign_ins import SignIns
from hodhod_server.settings import ReturningSettings
from hodhod_server.store import devices
from hodhod_server.store.database import Tx
from hodhod_server.telemetry import metrics

# A request whose answer was lost is repeated within seconds, and must not leave two devices.
TWIN_WITHIN: Final = timedelta(minutes=10)


class Entrance:
    """Lets devices in."""

    def __init__(
        self,
        clock: Clock,
        sessions: Sessions,
        ownership: Ownership,
        sign_ins: SignIns,
        notices: AccountNotices,
        settings: ReturningSettings,
    ) -> None:
        self._clock = clock
        self._notices = notices
        self._hold = timedelta(seconds=settings.hold_s)
        self.sessions = sessions
        self.ownership = ownership
        self.sign_ins = sign_ins

    async def admit(
        self, tx: Tx, granted: Granted, entrant: Entrant, token: RefreshToken
    ) -> Session:
        """A new device of this person, with this first refresh token."""
        device = await devices.insert(
            tx, granted.user.user, entrant, self._clock.now(), self._held_until(granted)
        )
        return await self.sessions.issue(
            tx, granted.user, device.device, token, is_new=granted.is_new
        )

    async def admit_again(self, tx: Tx, user: User, entrant: Entrant) -> Session:
        """As `admit` for a person who returned; the same device where it asks twice."""
        twin = None
        if entrant.public_key is not None:
            since = self._clock.now() - TWIN_WITHIN
            twin = await devices.find_twin(tx, user.user, entrant, since)
        if twin is None:
            return await self.admit(tx, Granted(user=user, is_new=False), entrant, random_token())
        await devices.withdraw_tokens(tx, twin.device)
        return await self.sessions.issue(tx, user, twin.device, random_token())

    def tell(self, session: Session, entrant: Entrant, way: str) -> None:
        """After the commit: the person's other devices are told."""
        metrics.SESSIONS_CONTINUED.labels(way).inc()
        if not session.is_new:
            self._notices.tell_signed_in(session.user, session.device, entrant)

    def _held_until(self, granted: Granted) -> datetime | None:
        is_held = granted.is_by_text_alone and self._hold > timedelta(0)
        return self._clock.now() + self._hold if is_held else None
