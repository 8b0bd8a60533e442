"""Sign-up: a number asks for a code, gets it, shows it, and a device is let in.

A challenge is one code, however many sends; whoever asks again with the same device gets the same
challenge. Answers are the same whether the number has an account: accounts are first looked up once
the code was right.

Always true: a right code is answered again with the same session for as long as it lives; a wrong
one is counted before it is answered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from hodhod_server.domain.challenge_secrets import challenge_secret, is_challenge_secret
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
    RateLimited,
    TriesExhausted,
    WrongState,
)
from hodhod_server.domain.ids import ChallengeId, random_public_id
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import Entrant, Session
from hodhod_server.domain.ownership import Evidence
from hodhod_server.domain.phone import Phone, open_phone, phone_hash, seal_phone
from hodhod_server.domain.refresh_tokens import first_token
from hodhod_server.domain.sign_ins import sign_in_number
from hodhod_server.services.entrance import Entrance
from hodhod_server.services.handoffs import Handoffs
from hodhod_server.services.ownership import Granted, Guarded, Number
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
    sign_in_number: int
    """Who approves in a signed-in device has to name it."""


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
        entrance: Entrance,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._handoffs = handoffs
        self._entrance = entrance

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
            self._entrance.sign_ins.ask(challenge)
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

    async def verify(self, proof: Proof, code_text: str | None, evidence: Evidence) -> Session:
        """Let the device in that shows the code; a new number needs a name.

        Without a code only where the challenge was accepted in another way.

        Raises `ChallengeNotFound`, `CodeMalformed`, `CodeWrong`, `TriesExhausted`,
        `ChallengeExpired`, `NameRequired`, `NameInvalid`, and as `Guards.prove`.
        """
        code = None if code_text is None else normalise_code(code_text)
        self._require_secret(proof)
        answer = await self._try(proof, code, evidence)
        if isinstance(answer, Guarded):
            evidence = await self._entrance.ownership.prove(answer, evidence)
            answer = await self._try(proof, code, evidence)
        match answer:
            case HodhodError():
                raise answer
            case Guarded():
                raise WrongState("what guards the account has changed meanwhile")
        return answer

    async def accept(self, proof: Proof, code_text: str) -> ChallengeStatus:
        """Prove the number without signing in, to change to it. Raises as `verify`."""
        code = normalise_code(code_text)
        self._require_secret(proof)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            challenge = await challenges.lock(tx, proof.challenge)
            refusal = await self._judge(tx, challenge, code, now)
            if refusal is None:
                await challenges.accept(tx, challenge.challenge, now)
                challenge = await challenges.load(tx, challenge.challenge)
        if refusal is not None:
            raise refusal
        return self._status(challenge)

    async def _try(
        self, proof: Proof, code: Code | None, evidence: Evidence
    ) -> Session | Guarded | HodhodError:
        async with self._database.transaction() as tx:
            challenge = await challenges.lock(tx, proof.challenge)
            answer = await self._answer(tx, challenge, code, evidence)
        if isinstance(answer, _Admitted):
            self._entrance.ownership.tell(answer.granted)
            self._entrance.tell(answer.session, _entrant(challenge), "code")
            return answer.session
        return answer

    def _index(self, phone: Phone) -> bytes:
        return phone_hash(self._keys.phone_index, phone)

    def _secret_of(self, challenge: ChallengeId) -> str:
        return challenge_secret(self._keys.challenge_secret, challenge)

    def _require_secret(self, proof: Proof) -> None:
        """An unknown id has no right secret either, so both get one answer in one time."""
        key = self._keys.challenge_secret
        if not is_challenge_secret(key, proof.challenge, proof.secret):
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
        self, tx: Tx, challenge: Challenge, code: Code | None, evidence: Evidence
    ) -> Session | _Admitted | Guarded | HodhodError:
        """Refusals that must be remembered are values here: raised, they would be rolled back."""
        now = self._clock.now()
        refusal = await self._judge(tx, challenge, code, now)
        if refusal is not None:
            return refusal
        if challenge.device is not None:
            return await self._repeat(tx, challenge)
        number = Number(challenge.phone_hash, challenge.phone_sealed)
        evidence = msgspec.structs.replace(evidence, vouched_by=challenge.approved_by)
        granted = await self._entrance.ownership.settle(tx, number, evidence)
        if isinstance(granted, Granted):
            return await self._admit(tx, challenge, granted, now)
        await challenges.accept(tx, challenge.challenge, now)
        return granted

    async def _judge(
        self, tx: Tx, challenge: Challenge, code: Code | None, now: datetime
    ) -> HodhodError | None:
        """Is the number proved? What refuses the code is a value, and counted."""
        if challenge.wrong_tries >= self._rules.tries_max or challenge.refused_at is not None:
            raise TriesExhausted
        if now >= challenge.ends_at(self._rules):
            raise ChallengeExpired
        if challenge.accepted_at is None:
            await self._require_tries(tx, challenge.phone_hash, now)
        if code is None:
            is_proved = challenge.accepted_by is not None
            return None if is_proved else WrongState("the code is still to be shown")
        if not self._is_right(challenge, code, now):
            metrics.SIGNUP_TRIES.labels("wrong").inc()
            await challenges.add_wrong_try(tx, challenge.challenge, now)
            return CodeWrong(tries_left=self._rules.tries_max - challenge.wrong_tries - 1)
        metrics.SIGNUP_TRIES.labels("right").inc()
        return None

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

    async def _admit(
        self, tx: Tx, challenge: Challenge, granted: Granted, now: datetime
    ) -> _Admitted:
        token = first_token(self._keys.refresh_token, challenge.challenge)
        session = await self._entrance.admit(tx, granted, _entrant(challenge), token)
        await challenges.finish(
            tx, challenge.challenge, session.device, is_new=granted.is_new, now=now
        )
        metrics.SIGNUPS.labels("new" if granted.is_new else "known").inc()
        log.debug("signup.admitted", user=session.user, device=session.device)
        return _Admitted(session, granted)

    async def _repeat(self, tx: Tx, challenge: Challenge) -> Session:
        """The same session as the first time, unless it has been ended since."""
        device = None if challenge.device is None else await devices.find(tx, challenge.device)
        if device is None or device.revoked_at is not None:
            raise ChallengeExpired
        user = await accounts.load_user(tx, device.user)
        token = first_token(self._keys.refresh_token, challenge.challenge)
        return await self._entrance.sessions.issue(
            tx, user, device.device, token, is_new=challenge.is_new
        )

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
            sign_in_number=sign_in_number(self._keys.sign_in_number, challenge.challenge),
        )


class _Admitted(msgspec.Struct, frozen=True):
    """A device that was let in just now."""

    session: Session
    granted: Granted


def _entrant(challenge: Challenge) -> Entrant:
    return Entrant(
        name=challenge.device_name,
        platform=challenge.platform,
        public_key=challenge.device_key,
    )


def _require_reached(moment: datetime, now: datetime) -> None:
    if now < moment:
        raise RateLimited(retry_after_s=(moment - now).total_seconds())
