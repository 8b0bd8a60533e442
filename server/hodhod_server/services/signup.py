"""Sign-up: a number asks for a code, gets it, shows it, and a device is let in.

A challenge is one code, however many sends; whoever asks again with the same device gets the same
challenge. Answers are the same whether the number has an account: accounts are first looked up once
the code was right.

Always true: a right code is answered again with the same session for as long as it lives; a wrong
one is counted before it is answered.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from hodhod_server.domain.challenges import (
    HANDOFF_WINDOW_S,
    Challenge,
    ChallengeRules,
    ChallengeState,
    Locale,
    free_at,
)
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.codes import Code, derive_code, epoch_of, normalise_code
from hodhod_server.domain.errors import (
    ChallengeExpired,
    ChallengeNotFound,
    CodeWrong,
    HodhodError,
    NameInvalid,
    NameRequired,
    RateLimited,
    TriesExhausted,
    WrongState,
)
from hodhod_server.domain.ids import ChallengeId, random_public_id
from hodhod_server.domain.keys import Keys, base64url, sign
from hodhod_server.domain.models import Session, User
from hodhod_server.domain.names import parse_name
from hodhod_server.domain.phone import Phone, open_phone, phone_hash, seal_phone
from hodhod_server.domain.refresh_tokens import first_token
from hodhod_server.services.handoffs import Handoffs
from hodhod_server.services.sessions import Sessions
from hodhod_server.settings import SignupSettings
from hodhod_server.store import accounts, challenges, devices
from hodhod_server.store.database import Database, Tx
from hodhod_server.telemetry import logs, metrics

log = logs.get("signup")
TRIES_WINDOW: Final = timedelta(days=1)
_WAITING: Final = (ChallengeState.QUEUED, ChallengeState.SENT, ChallengeState.ACCEPTED)


def rules_of(settings: SignupSettings) -> ChallengeRules:
    """The part of `[signup]` that decides about challenges."""
    return msgspec.convert(settings, ChallengeRules, from_attributes=True)


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a code, and on what device. With a public key, asking again is recognised."""

    phone: Phone
    locale: Locale
    device_name: str
    platform: str
    public_key: bytes | None


class NextStep(msgspec.Struct, frozen=True):
    """A way to get the code again, and from when on."""

    channel: str
    at: datetime


class ChallengeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the newcomer is told of the challenge."""

    challenge: ChallengeId
    state: ChallengeState
    channel: str
    sent_at: datetime | None
    expires_at: datetime | None
    next: tuple[NextStep, ...]
    tries_left: int


class Proof(msgspec.Struct, frozen=True):
    """The name of a challenge and the secret that only its starter has."""

    challenge: ChallengeId
    secret: str

    def __repr__(self) -> str:
        return f"Proof({self.challenge})"


class Signup:
    """What a newcomer can do."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        rules: ChallengeRules,
        handoffs: Handoffs,
        sessions: Sessions,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._handoffs = handoffs
        self._sessions = sessions
        self._note_proved: Callable[[Phone], None] | None = None

    def when_proved(self, note: Callable[[Phone], None]) -> None:
        """Tell `note` of each number that is proved."""
        self._note_proved = note

    @property
    def channel(self) -> str:
        """How codes travel."""
        return self._handoffs.channel

    async def start(self, newcomer: Newcomer) -> tuple[ChallengeStatus, str]:
        """A challenge, its code handed over, and its secret. Asked again: the same, unsent.

        Raises `RateLimited`, `TriesExhausted`, `DeliveryFailed`.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await challenges.lock_phone(tx, self._index(newcomer.phone))
            challenge = await self._find_waiting(tx, newcomer, now)
            begins = challenge is None or self._lacks_handoff(challenge, now)
            if begins:
                await self._require_room(tx, self._index(newcomer.phone), now)
            if challenge is None:
                challenge = await challenges.insert(tx, self._draft(newcomer, now))
            elif begins:
                challenge = await challenges.begin_handoff(tx, challenge.challenge, now)
        if begins:
            challenge = await self._handoffs.perform(challenge)
        return self._status(challenge), self._secret_of(challenge.challenge)

    async def status(self, proof: Proof) -> ChallengeStatus:
        """How the challenge stands. Raises `ChallengeNotFound`."""
        self._require_secret(proof)
        async with self._database.connection() as connection:
            return self._status(await challenges.load(connection, proof.challenge))

    async def send_again(self, proof: Proof) -> ChallengeStatus:
        """Hand the same code over once more.

        Raises `ChallengeNotFound`, `RateLimited` before its time or over the limit, `WrongState`
        once verified, `TriesExhausted`, `ChallengeExpired`, `DeliveryFailed`.
        """
        self._require_secret(proof)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            challenge = await challenges.lock(tx, proof.challenge)
            self._require_waiting(challenge, now)
            _require_reached(challenge.next_send_at(now, self._rules), now)
            await self._require_room(tx, challenge.phone_hash, now)
            challenge = await challenges.begin_handoff(tx, challenge.challenge, now)
        return self._status(await self._handoffs.perform(challenge))

    async def verify(self, proof: Proof, code_text: str, name: str | None) -> Session:
        """Let the device in that shows the code; a new number needs a name.

        Raises `ChallengeNotFound`, `CodeMalformed`, `CodeWrong`, `TriesExhausted`,
        `ChallengeExpired`, `NameRequired`, `NameInvalid`.
        """
        code = normalise_code(code_text)
        self._require_secret(proof)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            challenge = await challenges.lock(tx, proof.challenge)
            answer = await self._answer(tx, challenge, code, name, now)
        if isinstance(answer, HodhodError):
            raise answer
        return answer

    def _index(self, phone: Phone) -> bytes:
        return phone_hash(self._keys.phone_index, phone)

    def _secret_of(self, challenge: ChallengeId) -> str:
        return base64url(sign(self._keys.challenge_secret, challenge.encode(errors="replace")))

    def _require_secret(self, proof: Proof) -> None:
        """An unknown id has no right secret either, so both get one answer in one time."""
        secret = proof.secret.encode(errors="replace")
        if not hmac.compare_digest(secret, self._secret_of(proof.challenge).encode()):
            raise ChallengeNotFound

    def _draft(self, newcomer: Newcomer, now: datetime) -> Challenge:
        return Challenge(
            challenge=ChallengeId(random_public_id()),
            phone_hash=self._index(newcomer.phone),
            phone_sealed=seal_phone(self._keys.phone_cipher, newcomer.phone),
            device_key=newcomer.public_key,
            device_name=newcomer.device_name,
            platform=newcomer.platform,
            locale=newcomer.locale,
            key_epoch=epoch_of(now),
            created_at=now,
        )

    async def _find_waiting(self, tx: Tx, newcomer: Newcomer, now: datetime) -> Challenge | None:
        if newcomer.public_key is None:
            return None
        index = self._index(newcomer.phone)
        newest = await challenges.find_newest(tx, index, newcomer.public_key)
        is_waiting = newest is not None and newest.state(now, self._rules) in _WAITING
        return newest if is_waiting else None

    def _lacks_handoff(self, challenge: Challenge, now: datetime) -> bool:
        is_queued = challenge.state(now, self._rules) is ChallengeState.QUEUED
        return is_queued and not challenge.is_being_handed_over(now)

    async def _require_room(self, tx: Tx, index: bytes, now: datetime) -> None:
        """The number may get one more text, and one more code would be of use."""
        await self._require_tries(tx, index, now)
        since = now - timedelta(seconds=HANDOFF_WINDOW_S)
        recent = await challenges.handoffs_of_phone(tx, index, since)
        _require_reached(free_at(recent, now, self._rules), now)

    async def _require_tries(self, tx: Tx, index: bytes, now: datetime) -> None:
        wrong = await challenges.wrong_tries_of_phone(tx, index, now - TRIES_WINDOW)
        if wrong >= self._rules.tries_per_phone_day_max:
            raise TriesExhausted

    def _require_waiting(self, challenge: Challenge, now: datetime) -> None:
        match challenge.state(now, self._rules):
            case ChallengeState.VERIFIED:
                raise WrongState("the code was already used")
            case ChallengeState.LOCKED:
                raise TriesExhausted
            case ChallengeState.EXPIRED:
                raise ChallengeExpired

    async def _answer(
        self, tx: Tx, challenge: Challenge, code: Code, name: str | None, now: datetime
    ) -> Session | HodhodError:
        """Refusals that must be remembered are values here: raised, they would be rolled back."""
        if challenge.wrong_tries >= self._rules.tries_max:
            raise TriesExhausted
        if now >= challenge.ends_at(self._rules):
            raise ChallengeExpired
        if challenge.accepted_at is None:
            await self._require_tries(tx, challenge.phone_hash, now)
        if not self._is_right(challenge, code, now):
            metrics.SIGNUP_TRIES.labels("wrong").inc()
            await challenges.add_wrong_try(tx, challenge.challenge, now)
            return CodeWrong(tries_left=self._rules.tries_max - challenge.wrong_tries - 1)
        metrics.SIGNUP_TRIES.labels("right").inc()
        if challenge.device is not None:
            return await self._repeat(tx, challenge)
        user = await accounts.find_user_by_phone(tx, challenge.phone_hash)
        if user is not None:
            return await self._admit(tx, challenge, user, now, is_new=False)
        try:
            user = await self._add_user(tx, challenge, name, now)
        except (NameRequired, NameInvalid) as refusal:
            await challenges.accept(tx, challenge.challenge, now)
            return refusal
        return await self._admit(tx, challenge, user, now, is_new=True)

    def _is_right(self, challenge: Challenge, code: Code, now: datetime) -> bool:
        """Both generations are compared, whatever is accepted: the same work for every answer."""
        phone = open_phone(self._keys.phone_cipher, challenge.phone_sealed)
        is_same = [
            derive_code(
                self._keys.code, challenge.key_epoch, challenge.challenge, phone, generation
            ).is_same(code)
            for generation in (0, 1)
        ]
        return any(is_same[item] for item in challenge.accepted_generations(now, self._rules))

    async def _add_user(
        self, tx: Tx, challenge: Challenge, name: str | None, now: datetime
    ) -> User:
        if name is None or not name.strip():
            raise NameRequired
        return await accounts.insert_user(
            tx,
            phone_hash=challenge.phone_hash,
            phone_sealed=challenge.phone_sealed,
            name=parse_name(name),
            now=now,
        )

    async def _admit(
        self, tx: Tx, challenge: Challenge, user: User, now: datetime, *, is_new: bool
    ) -> Session:
        device = await devices.insert(
            tx,
            user.user,
            name=challenge.device_name,
            platform=challenge.platform,
            public_key=challenge.device_key,
            now=now,
        )
        await challenges.finish(tx, challenge.challenge, device.device, is_new=is_new, now=now)
        metrics.SIGNUPS.labels("new" if is_new else "known").inc()
        if self._note_proved is not None:
            self._note_proved(open_phone(self._keys.phone_cipher, challenge.phone_sealed))
        log.debug("signup.admitted", user=user.user, device=device.device, is_new=is_new)
        token = first_token(self._keys.refresh_token, challenge.challenge)
        return await self._sessions.issue(tx, user, device.device, token, is_new=is_new)

    async def _repeat(self, tx: Tx, challenge: Challenge) -> Session:
        """The same session as the first time, unless it has been ended since."""
        device = None if challenge.device is None else await devices.find(tx, challenge.device)
        if device is None or device.revoked_at is not None:
            raise ChallengeExpired
        user = await accounts.load_user(tx, device.user)
        token = first_token(self._keys.refresh_token, challenge.challenge)
        return await self._sessions.issue(tx, user, device.device, token, is_new=challenge.is_new)

    def _status(self, challenge: Challenge) -> ChallengeStatus:
        now = self._clock.now()
        state = challenge.state(now, self._rules)
        is_queued = state is ChallengeState.QUEUED
        next_at = challenge.next_send_at(now, self._rules)
        return ChallengeStatus(
            challenge=challenge.challenge,
            state=state,
            channel=self.channel,
            sent_at=challenge.sent_at,
            expires_at=None if is_queued else challenge.ends_at(self._rules),
            next=(NextStep(self.channel, next_at),) if state in _WAITING else (),
            tries_left=max(0, self._rules.tries_max - challenge.wrong_tries),
        )


def _require_reached(moment: datetime, now: datetime) -> None:
    if now < moment:
        raise RateLimited(retry_after_s=(moment - now).total_seconds())
