"""Linking a second device: it shows a picture, a signed-in device scans and approves.

Always true: a link lives two minutes, is approved once, and gives its one session to who signs with
the key that the picture names.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import msgspec

from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.device_keys import is_signed_by
from hodhod_server.domain.device_links import DeviceLink, claim_message, new_link, read_link
from hodhod_server.domain.errors import (
    ClockSkewed,
    DeviceLinkInvalid,
    Malformed,
    Overloaded,
    SignatureInvalid,
)
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import Entrant, Session
from hodhod_server.domain.refresh_tokens import first_token
from hodhod_server.domain.tokens import Caller
from hodhod_server.services.entrance import Entrance
from hodhod_server.services.holds import require_unheld
from hodhod_server.services.ownership import Granted
from hodhod_server.store import accounts, device_links, devices
from hodhod_server.store.database import Database, Tx

LIFE: Final = timedelta(minutes=2)
CLAIM_WITHIN: Final = timedelta(minutes=2)  # after the approval
SKEW_MS: Final = 300_000
LOOK_S: Final = 0.5
WAITING_MAX: Final = 200  # each looks twice a second
RETRY_AFTER_S: Final = 2.0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A new device asks for what its link gives."""

    link: str
    at_ms: int
    signature: bytes
    wait_s: float

    def __repr__(self) -> str:
        return "Claim()"


class DeviceLinks:
    """What can be done with links."""

    def __init__(self, database: Database, keys: Keys, clock: Clock, entrance: Entrance) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._entrance = entrance
        self._waiting = 0

    def new(self, entrant: Entrant) -> tuple[DeviceLink, str]:
        """A link for a program, and the text of its picture. Raises `Malformed` without a key."""
        if entrant.public_key is None:
            raise Malformed("a device that is linked needs a key")
        return new_link(self._keys.device_link, entrant, self._clock.now() + LIFE)

    def look(self, text: str) -> DeviceLink:
        """What approving would let in. Raises `DeviceLinkInvalid`, also for one that is over."""
        link = read_link(self._keys.device_link, text)
        if self._clock.now() >= link.expires_at:
            raise DeviceLinkInvalid
        return link

    async def approve(self, caller: Caller, text: str) -> None:
        """Let the link's device in. Raises `DeviceLinkInvalid`, `Held`."""
        link, now = self.look(text), self._clock.now()
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, now)
            if not await device_links.approve(tx, link.link, caller.user, now):
                raise DeviceLinkInvalid

    async def claim(self, wanted: Claim) -> Session | None:
        """The session, once somebody approved; `None`: nobody did so far.

        Raises `DeviceLinkInvalid`, `SignatureInvalid`, `ClockSkewed`, `Overloaded`.
        """
        link = read_link(self._keys.device_link, wanted.link)
        now_ms = to_ms(self._clock.now())
        if abs(wanted.at_ms - now_ms) > SKEW_MS:
            raise ClockSkewed(server_time=now_ms)
        message = claim_message(link.link, wanted.at_ms)
        if not is_signed_by(link.entrant.public_key, wanted.signature, message):
            raise SignatureInvalid
        if not await self._until_approved(link, wanted.wait_s):
            return None
        async with self._database.transaction() as tx:
            session = await self._give(tx, link)
        self._entrance.tell(session, link.entrant, "link")
        return session

    async def _until_approved(self, link: DeviceLink, wait_s: float) -> bool:
        if self._waiting >= WAITING_MAX:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            return await self._look_until(link, asyncio.get_running_loop().time() + wait_s)
        finally:
            self._waiting -= 1

    async def _look_until(self, link: DeviceLink, deadline_s: float) -> bool:
        while True:
            async with self._database.connection() as connection:
                if await device_links.is_approved(connection, link.link):
                    return True
            if self._clock.now() >= link.expires_at:
                raise DeviceLinkInvalid
            if asyncio.get_running_loop().time() + LOOK_S > deadline_s:
                return False
            await asyncio.sleep(LOOK_S)

    async def _give(self, tx: Tx, link: DeviceLink) -> Session:
        """The same session however often it is asked for, as long as answers may be lost."""
        approved = await device_links.lock(tx, link.link)
        if approved is None or self._clock.now() >= approved.approved_at + CLAIM_WITHIN:
            raise DeviceLinkInvalid
        user = await accounts.load_user(tx, approved.user)
        token = first_token(self._keys.refresh_token, ChallengeId(f"link {link.link}"))
        if approved.device is None:
            granted = Granted(user=user, is_new=False)
            session = await self._entrance.admit(tx, granted, link.entrant, token)
            await device_links.finish(tx, link.link, session.device)
            return session
        device = await devices.find(tx, approved.device)
        if device is None or device.revoked_at is not None:
            raise DeviceLinkInvalid
        return await self._entrance.sessions.issue(tx, user, device.device, token)
