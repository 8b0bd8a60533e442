"""Passkeys (WebAuthn): a key in the phone's or the browser's keeping, unlocked by its owner.

Having it and unlocking it are two proofs, so neither a text nor a PIN is asked. Always true: a
challenge is ours, five minutes old at most, and answered once; a count that does not rise is
refused.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec
import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import LimitReached, NotFound, PasskeyInvalid, TriesExhausted
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys, from_base64url
from hodhod_server.domain.models import Entrant, Session, User
from hodhod_server.domain.passkey_challenges import is_passkey_challenge, new_passkey_challenge
from hodhod_server.domain.tokens import Caller
from hodhod_server.domain.tries import Allowance, subject
from hodhod_server.services.entrance import Entrance
from hodhod_server.services.holds import require_unheld
from hodhod_server.settings import ReturningSettings
from hodhod_server.store import accounts, passkeys, tries
from hodhod_server.store.database import Database, Tx

LIFE: Final = timedelta(minutes=5)
ONCE: Final = Allowance(1, LIFE.total_seconds())
_REFUSED: Final = (WebAuthnException, ValueError, KeyError, TypeError)


class _ClientData(msgspec.Struct):
    challenge: str


class _Answered(msgspec.Struct):
    client_data: str = msgspec.field(name="clientDataJSON")


class _Credential(msgspec.Struct):
    """As much of an authenticator's answer as is read before the library reads it all."""

    id: str
    response: _Answered


_credential = msgspec.json.Decoder(_Credential).decode
_client_data = msgspec.json.Decoder(_ClientData).decode


class Passkeys:
    """What can be done with passkeys."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        entrance: Entrance,
        settings: ReturningSettings,
    ) -> None:
        self._database = database
        self._key = keys.passkey_challenge
        self._clock = clock
        self._entrance = entrance
        self._domain = settings.passkey_domain
        self._origins = list(settings.passkey_origins)
        self._claimable = timedelta(days=settings.claim_days)

    async def ask_to_register(self, caller: Caller) -> str:
        """What the browser is to be given, as JSON. Raises `Held`, `NotFound` where it is off."""
        self._require_on()
        async with self._database.connection() as connection:
            await require_unheld(connection, caller, self._clock.now())
            user = await accounts.load_user(connection, caller.user)
            known = await passkeys.of_user(connection, caller.user)
        options = webauthn.generate_registration_options(
            rp_id=self._domain,
            rp_name=self._domain,
            user_name=user.name,
            user_id=str(user.user).encode(),
            challenge=self._challenge(caller.user),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=passkey.credential_id) for passkey in known
            ],
        )
        return webauthn.options_to_json(options)

    async def register(self, caller: Caller, credential: bytes, name: str) -> None:
        """Keep what the authenticator made. Raises `PasskeyInvalid`, `LimitReached`, `Held`."""
        self._require_on()
        challenge, _ = self._read(credential, caller.user)
        try:
            made = webauthn.verify_registration_response(
                credential=credential.decode(),
                expected_challenge=challenge,
                expected_rp_id=self._domain,
                expected_origin=self._origins,
                require_user_verification=True,
            )
        except _REFUSED:
            raise PasskeyInvalid from None
        passkey = passkeys.NewPasskey(
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name,
        )
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            await self._use_up(tx, challenge)
            if not await passkeys.insert(tx, caller.user, passkey, self._clock.now()):
                raise LimitReached

    async def of(self, caller: Caller) -> list[passkeys.Passkey]:
        """The caller's passkeys, oldest first."""
        async with self._database.connection() as connection:
            return await passkeys.of_user(connection, caller.user)

    async def remove(self, caller: Caller, credential_id: bytes) -> None:
        """It lets in no more. Raises `NotFound`, `Held`."""
        async with self._database.transaction() as tx:
            await require_unheld(tx, caller, self._clock.now())
            if not await passkeys.remove(tx, caller.user, credential_id):
                raise NotFound

    def ask_to_enter(self) -> str:
        """What the browser is to be given, as JSON. It names nobody: the passkey does."""
        self._require_on()
        options = webauthn.generate_authentication_options(
            rp_id=self._domain,
            challenge=self._challenge(None),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    async def enter(self, credential: bytes, entrant: Entrant) -> Session:
        """Let a device in whose authenticator answered. Raises `PasskeyInvalid`."""
        self._require_on()
        challenge, credential_id = self._read(credential, None)
        async with self._database.transaction() as tx:
            user = await self._check(tx, credential, challenge, credential_id)
            await self._use_up(tx, challenge)
            session = await self._entrance.admit_again(tx, user, entrant)
        self._entrance.tell(session, entrant, "passkey")
        return session

    async def _check(
        self, tx: Tx, credential: bytes, challenge: bytes, credential_id: bytes
    ) -> User:
        now = self._clock.now()
        known = await passkeys.find(tx, credential_id, now - self._claimable)
        if known is None:
            raise PasskeyInvalid
        try:
            shown = webauthn.verify_authentication_response(
                credential=credential.decode(),
                expected_challenge=challenge,
                expected_rp_id=self._domain,
                expected_origin=self._origins,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
        except _REFUSED:
            raise PasskeyInvalid from None
        if not await passkeys.use(tx, credential_id, shown.new_sign_count, now):
            raise PasskeyInvalid
        return known.user

    def _challenge(self, user: UserId | None) -> bytes:
        return new_passkey_challenge(self._key, user, self._clock.now() + LIFE)

    def _read(self, credential: bytes, user: UserId | None) -> tuple[bytes, bytes]:
        """The challenge that was answered, which is ours, and the credential's id."""
        try:
            answered = _credential(credential)
            raw = from_base64url(answered.response.client_data.rstrip("="))
            challenge = from_base64url(_client_data(raw).challenge.rstrip("="))
            credential_id = from_base64url(answered.id.rstrip("="))
        except (ValueError, msgspec.DecodeError):
            raise PasskeyInvalid from None
        if not is_passkey_challenge(self._key, user, challenge, self._clock.now()):
            raise PasskeyInvalid
        return challenge, credential_id

    async def _use_up(self, tx: Tx, challenge: bytes) -> None:
        try:
            await tries.take(tx, subject("passkey", challenge), ONCE, self._clock.now())
        except TriesExhausted:
            raise PasskeyInvalid from None

    def _require_on(self) -> None:
        if not self._domain:
            raise NotFound("passkeys are off here: `returning.passkey_domain` is empty")
