"""Sessions: letting a device back in, keeping it in, and ending it everywhere.

Access tokens are checked without the database, so an early end has to be known: each process keeps
the devices ended within the last token lifetime, hears of new ones from the others, and looks into
the database every `LOOK_S` for what it did not hear.

Always true: of one refresh token at most one successor exists; one that comes back after its
successor was used ends the session, since one of the two holders is a thief.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.domain import device_keys
from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import (
    ClockSkewed,
    DeviceNotFound,
    HodhodError,
    Overloaded,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SignatureInvalid,
    Unauthenticated,
)
from hodhod_server.domain.ids import DeviceId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import Device, Session, User
from hodhod_server.domain.refresh_tokens import RefreshToken, next_token, random_token
from hodhod_server.domain.tokens import Caller, check_access_token, mint_access_token
from hodhod_server.services.holds import require_unheld
from hodhod_server.settings import SecuritySettings
from hodhod_server.store import accounts, devices
from hodhod_server.store.database import Database, Tx
from hodhod_server.telemetry import logs, metrics

log = logs.get("sessions")
LOOK_S: Final = 30.0
# A lost answer is asked for again within seconds. Later the old token proves nothing, and its
# honest holder returns by device key: a thief and an owner cannot go on refreshing in turns.
REPEAT_WITHIN: Final = timedelta(hours=1)
# An end is stamped before its COMMIT, and by another machine's clock: look back a little further.
LOOK_OVERLAP_S: Final = 60.0


class EndAnnouncer(Protocol):
    """Tells the other processes. An announcement may be lost: they look for themselves as well."""

    async def announce_end(self, device: DeviceId) -> None:
        """The device's session is over. May raise `BrokerUnavailable`."""
        ...


class NoAnnouncer:
    """For a process that only checks tokens, or has no bus: others find out at their next look."""

    async def announce_end(self, device: DeviceId) -> None:
        """Nobody to tell."""


class Sessions:
    """The sessions of all devices, as one process knows them."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        settings: SecuritySettings,
        announcer: EndAnnouncer,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._announcer = announcer
        self._access_life = timedelta(seconds=settings.access_token_s)
        self._refresh_life = timedelta(days=settings.refresh_token_days)
        self._ended_kept = self._access_life + timedelta(seconds=LOOK_OVERLAP_S)
        self._skew_ms = settings.clock_skew_s * 1000
        self._ended: dict[DeviceId, datetime] = {}
        self._listeners: list[Callable[[DeviceId], None]] = []

    def authenticate(self, token: str) -> Caller:
        """Whom an access token proves. Raises `Unauthenticated`."""
        caller = check_access_token(self._keys.access_token, token, self._clock.now())
        if caller.device in self._ended:
            raise Unauthenticated
        return caller

    def has_ended(self, device: DeviceId) -> bool:
        """Has this device's session been ended, within the life of its access tokens?"""
        return device in self._ended

    async def issue(
        self, tx: Tx, user: User, device: DeviceId, token: RefreshToken, *, is_new: bool = False
    ) -> Session:
        """Let a device in with this refresh token, which is stored unless it already is."""
        now = self._clock.now()
        stored = await devices.find_token(tx, token.stored_hash)
        expires_at = now + self._refresh_life if stored is None else stored.expires_at
        if stored is None:
            await devices.insert_token(
                tx, device, token.stored_hash, now=now, expires_at=expires_at
            )
        return self._session(user, device, token, expires_at, is_new=is_new)

    @property
    def refresh_life(self) -> timedelta:
        """How long a refresh token lets a device in that does not use it."""
        return self._refresh_life

    def of_newcomer(self, user: User, device: DeviceId, token: RefreshToken) -> Session:
        """The session of a device whose first token was stored just now, with its account."""
        return self._session(
            user, device, token, self._clock.now() + self._refresh_life, is_new=True
        )

    async def refresh(self, token_text: str) -> Session:
        """A new pair of tokens for an old refresh token; asked again, the same refresh token.

        Raises `RefreshTokenInvalid`; `RefreshTokenReused`, and then the session is ended.
        """
        token = RefreshToken(token_text)
        session = await self._refresh_unused(token) or await self._refresh_carefully(token)
        metrics.SESSIONS_CONTINUED.labels("refresh").inc()
        return session

    async def _refresh_unused(self, token: RefreshToken) -> Session | None:
        """What nearly always happens, in one statement: everybody returns at once."""
        now = self._clock.now()
        successor = next_token(self._keys.refresh_token, token)
        expires_at = now + self._refresh_life
        async with self._database.connection() as connection:
            found = await devices.refresh(
                connection, token.stored_hash, successor.stored_hash, now, expires_at
            )
        if found is None:
            return None
        device, user = found
        return self._session(user, device, successor, expires_at)

    async def _refresh_carefully(self, token: RefreshToken) -> Session:
        async with self._database.transaction() as tx:
            device = await devices.lock_by_token(tx, token.stored_hash)
            if device is None or device.revoked_at is not None:
                raise RefreshTokenInvalid
            answer = await self._rotate(tx, device, token)
        if isinstance(answer, HodhodError):
            log.warning("session.token_reused", device=device.device)
            await self._announce(device.device)
            raise answer
        return answer

    async def return_by_device_key(self, device: DeviceId, at_ms: int, signature: bytes) -> Session:
        """Let a device in that signed the moment with its key; its earlier tokens are withdrawn.

        Raises `ClockSkewed`, `SignatureInvalid` also where there is no such device or no key, and
        `DeviceNotFound` once the signature has proved that the asker may know of the end.
        """
        now = self._clock.now()
        if abs(at_ms - to_ms(now)) > self._skew_ms:
            raise ClockSkewed(server_time=to_ms(now))
        async with self._database.connection() as connection:
            known = await devices.find(connection, device)
        key = None if known is None else known.public_key
        message = device_keys.return_message(device, at_ms)
        if not device_keys.is_signed_by(key, signature, message) or known is None:
            raise SignatureInvalid
        if known.revoked_at is not None:
            raise DeviceNotFound
        token, expires_at = random_token(), now + self._refresh_life
        async with self._database.connection() as connection:
            user = await devices.return_by_key(
                connection,
                device,
                at_ms=at_ms,
                now=now,
                token_hash=token.stored_hash,
                expires_at=expires_at,
            )
        if user is None:
            raise SignatureInvalid
        metrics.SESSIONS_CONTINUED.labels("device_key").inc()
        return self._session(user, device, token, expires_at)

    async def list_devices(self, caller: Caller) -> list[Device]:
        """The devices on which the caller is signed in, oldest first."""
        async with self._database.connection() as connection:
            return await devices.of_user(connection, caller.user)

    async def end(self, caller: Caller, device: DeviceId) -> None:
        """Sign one of the caller's devices out, everywhere. Raises `DeviceNotFound`, `Held`."""
        async with self._database.transaction() as tx:
            if device != caller.device:
                await require_unheld(tx, caller, self._clock.now())
            if not await devices.end_of_user(tx, caller.user, device, self._clock.now()):
                raise DeviceNotFound
        await self._announce(device)

    def note_ended(self, device: DeviceId) -> None:
        """Another process ended this device's session."""
        self._ended[device] = self._clock.now()

    def when_ended(self, listener: Callable[[DeviceId], None]) -> None:
        """Call `listener` for every end that this process causes or finds by looking."""
        self._listeners.append(listener)

    async def run(self, *, look_s: float = LOOK_S) -> None:
        """Keep the set of ended devices true, whatever announcements were lost."""
        since = self._clock.now() - self._ended_kept
        while True:
            looked_at = self._clock.now()
            try:
                await self._look(since)
                since = looked_at - timedelta(seconds=LOOK_OVERLAP_S)
            except Overloaded:
                log.warning("sessions.look_failed")
            self._forget_before(self._clock.now() - self._ended_kept)
            await asyncio.sleep(look_s)

    async def _look(self, since: datetime) -> None:
        async with self._database.connection() as connection:
            ended = await devices.ended_since(connection, since)
        for device in ended:
            if device not in self._ended:
                self._spread(device)

    def _forget_before(self, moment: datetime) -> None:
        """Their access tokens have expired by themselves."""
        self._ended = {device: at for device, at in self._ended.items() if at > moment}

    def _spread(self, device: DeviceId) -> None:
        self.note_ended(device)
        for listener in self._listeners:
            listener(device)

    async def _announce(self, device: DeviceId) -> None:
        self._spread(device)
        try:
            await self._announcer.announce_end(device)
        except BrokerUnavailable:
            log.warning("session.end_not_announced", device=device)

    async def _rotate(
        self, tx: Tx, device: Device, token: RefreshToken
    ) -> Session | RefreshTokenReused:
        """A reuse is a value here: raised, it would roll back the end of the session."""
        now = self._clock.now()
        stored = await devices.find_token(tx, token.stored_hash)
        if stored is None or stored.expires_at <= now:
            raise RefreshTokenInvalid
        successor = next_token(self._keys.refresh_token, token)
        if stored.used_at is None:
            expires_at = now + self._refresh_life
            await devices.rotate_token(
                tx, token.stored_hash, successor.stored_hash, now=now, expires_at=expires_at
            )
        else:
            following = await devices.find_token(tx, successor.stored_hash)
            if following is None or following.used_at is not None:
                await devices.end(tx, device.device, now)
                return RefreshTokenReused()
            if now - stored.used_at > REPEAT_WITHIN:
                raise RefreshTokenInvalid
            expires_at = following.expires_at
        user = await accounts.load_user(tx, device.user)
        return self._session(user, device.device, successor, expires_at)

    def _session(
        self,
        user: User,
        device: DeviceId,
        token: RefreshToken,
        refresh_expires_at: datetime,
        *,
        is_new: bool = False,
    ) -> Session:
        access_expires_at = self._clock.now() + self._access_life
        caller = Caller(user.user, device)
        return Session(
            user=user.user,
            device=device,
            name=user.name,
            is_new=is_new,
            access_token=mint_access_token(self._keys.access_token, caller, access_expires_at),
            access_expires_at=access_expires_at,
            refresh_token=token.text,
            refresh_expires_at=refresh_expires_at,
        )
