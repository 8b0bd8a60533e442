"""People who are inside already, without the way through sign-up."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import DeviceId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import Entrant
from hodhod_server.domain.phone import parse_phone, phone_hash, seal_phone
from hodhod_server.domain.tokens import Caller, mint_access_token
from hodhod_server.store import accounts, devices
from hodhod_server.store.database import Database


@dataclass(frozen=True)
class Person:
    """Somebody with one device and a token for it."""

    user: UserId
    device: DeviceId
    phone: str
    token: str

    @property
    def caller(self) -> Caller:
        return Caller(self.user, self.device)


class People:
    """Makes people in one database."""

    def __init__(self, database: Database, keys: Keys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def new(self, name: str = "سارا") -> Person:
        """Somebody new with a number of their own."""
        phone = parse_phone(f"0912{secrets.randbelow(10**7):07}")
        async with self._database.transaction() as tx:
            user = await accounts.insert_user(
                tx,
                phone_hash=phone_hash(self._keys.phone_index, phone),
                phone_sealed=seal_phone(self._keys.phone_cipher, phone),
                name=name,
                now=self._clock.now(),
            )
        return await self.another_device(user.user, phone.e164)

    async def another_device(self, user: UserId, phone: str = "") -> Person:
        """The same person on a further device."""
        async with self._database.transaction() as tx:
            entrant = Entrant(name="test", platform="python", public_key=None)
            device = await devices.insert(tx, user, entrant, self._clock.now())
        caller = Caller(user, device.device)
        expires_at = self._clock.now() + timedelta(minutes=15)
        token = mint_access_token(self._keys.access_token, caller, expires_at)
        return Person(user, device.device, phone, token)
