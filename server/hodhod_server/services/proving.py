"""Proving a number: a code is shown, and a device is let in.

A newcomer with the right code is the common case in a surge: at most one look and one statement,
both shared by all who come together. Everything else (wrong, repeated, known number, no name yet)
takes the number's lock, so that limits over several challenges are counted by one at a time.

Always true: a right code is answered again with the same session for as long as it lives; a wrong
one is counted before it is answered, and no code is compared more often than the limits say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from hodhod_server.domain.challenges import AcceptedBy, Challenge, ChallengeRules
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.codes import Code, derive_code, normalise_code
from hodhod_server.domain.errors import (
    ChallengeExpired,
    ChallengeNotFound,
    CodeMalformed,
    CodeWrong,
    HodhodError,
    NameInvalid,
    RateLimited,
    TriesExhausted,
    WrongState,
)
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.models import Entrant, Session
from hodhod_server.domain.names import parse_name
from hodhod_server.domain.ownership import Evidence
from hodhod_server.domain.phone import Phone, open_phone
from hodhod_server.domain.refresh_tokens import first_token
from hodhod_server.services.entrance import Entrance
from hodhod_server.services.ownership import Granted, Guarded, Number
from hodhod_server.services.signup import Doorkeeper, Proof
from hodhod_server.services.watching import Watching
from hodhod_server.store import accounts, challenges, devices
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.gathering import Gathering
from hodhod_server.telemetry import logs, metrics

log = logs.get("proving")


class Proving:
    """The last step of a sign-up."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        rules: ChallengeRules,
        entrance: Entrance,
        watching: Watching,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._doorkeeper = Doorkeeper(keys)
        self._entrance = entrance
        self._watching = watching
        self._views = Gathering(database, challenges.find_bare)
        self._welcomes = Gathering(database, challenges.admit_newcomers)
        self._on_proved: Callable[[Phone], None] = lambda phone: None
        self._known: Callable[[ChallengeId], Challenge | None] = lambda challenge: None

    def when_proved(self, note: Callable[[Phone], None]) -> None:
        """Tell `note` of each number that is proved."""
        self._on_proved = note

    def look_first(self, known: Callable[[ChallengeId], Challenge | None]) -> None:
        """Compare codes with what `known` remembers of a challenge, where it does.

        It may be out of date: nobody is let in whose challenge has changed since, and whatever else
        is answered is found out under the locks.
        """
        self._known = known

    async def run(self) -> None:
        """Answer those who show codes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._views.run())
            tasks.create_task(self._welcomes.run())

    async def verify(self, proof: Proof, code_text: str | None, evidence: Evidence) -> Session:
        """Let the device in that shows the code; a new number needs a name.

        No code is needed once the number was proved otherwise. Raises `ChallengeNotFound`,
        `CodeMalformed`, `CodeWrong`, `RateLimited` before the time for another try,
        `TriesExhausted`, `ChallengeExpired`, `WrongState`, `NameRequired`, `NameInvalid`, and as
        `Guards.prove`.
        """
        code = None if code_text is None else normalise_code(code_text)
        self._doorkeeper.require(proof)
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

    async def accept(self, proof: Proof, code_text: str) -> Challenge:
        """Prove the number without signing in, to change to it. Raises as `verify`."""
        code = normalise_code(code_text)
        self._doorkeeper.require(proof)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            challenge = await challenges.lock(tx, proof.challenge)
            refusal = await self._judge(tx, challenge, code, now)
            if refusal is None:
                await challenges.accept(tx, challenge.challenge, now, AcceptedBy.CODE)
                challenge = await challenges.load(tx, challenge.challenge)
        if refusal is not None:
            raise refusal
        self._watching.note_changed([proof.challenge])
        return challenge

    async def _try(
        self, proof: Proof, code: Code | None, evidence: Evidence
    ) -> Session | Guarded | HodhodError:
        now = self._clock.now()
        seen = self._known(proof.challenge)
        if seen is None:
            seen = await self._views.ask(proof.challenge, proof.challenge)
        if seen is None:
            raise ChallengeNotFound
        answer: Session | _Admitted | Guarded | HodhodError | None
        answer = await self._welcome(seen, code, evidence.name, now)
        if answer is None:
            async with self._database.transaction() as tx:
                challenge = await challenges.lock(tx, proof.challenge)
                answer = await self._answer(tx, challenge, code, evidence, now)
        if isinstance(answer, _Admitted):
            self._entrance.ownership.tell(answer.granted)
            self._entrance.tell(answer.session, _entrant(seen), "code")
            answer = answer.session
        if isinstance(answer, Session):
            self._on_proved(open_phone(self._keys.phone_cipher, seen.phone_sealed))
            self._watching.note_changed([proof.challenge])
        return answer

    async def _welcome(
        self, seen: Challenge, code: Code | None, name: str | None, now: datetime
    ) -> Session | None:
        """The common case. None: it is another one, and nothing was done."""
        refusal = self._refusal(seen, now)
        is_common = refusal is None and seen.device is None and seen.approved_by is None
        if not is_common or not self._is_right(seen, code, now):
            return None
        try:
            parsed = parse_name(name or "")
        except NameInvalid:
            return None
        token = first_token(self._keys.refresh_token, seen.challenge)
        welcome = challenges.Welcome(
            challenge=seen.challenge,
            wrong_tries=seen.wrong_tries,
            name=parsed,
            at=now,
            token_hash=token.stored_hash,
            token_ends_at=now + self._entrance.sessions.refresh_life,
        )
        arrived = await self._welcomes.ask(seen.phone_hash, welcome)
        if arrived is None:
            return None
        metrics.SIGNUP_TRIES.labels("right").inc()
        metrics.SIGNUPS.labels("new").inc()
        log.debug("signup.admitted", user=arrived.user.user, device=arrived.device, is_new=True)
        return self._entrance.sessions.of_newcomer(arrived.user, arrived.device, token)

    def _refusal(self, challenge: Challenge, now: datetime) -> HodhodError | None:
        """Why no code is compared now."""
        if challenge.cancelled_at is not None and challenge.device is None:
            return WrongState("the challenge was cancelled")
        if challenge.refused_at is not None:
            return TriesExhausted()
        is_tried_out = challenge.wrong_tries >= self._rules.tries_max
        if is_tried_out and not challenge.is_proven_otherwise:
            return TriesExhausted()
        if now >= challenge.ends_at(self._rules):
            return ChallengeExpired()
        again_at = challenge.try_again_at()
        if again_at is not None and now < again_at and not challenge.is_proven_otherwise:
            return RateLimited(retry_after_s=(again_at - now).total_seconds())
        return None

    async def _answer(
        self,
        tx: Tx,
        challenge: Challenge,
        code: Code | None,
        evidence: Evidence,
        now: datetime,
    ) -> Session | _Admitted | Guarded | HodhodError:
        """Refusals that must be remembered are values here: raised, they would be rolled back."""
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
        await challenges.accept(tx, challenge.challenge, now, AcceptedBy.CODE)
        return granted

    async def _judge(
        self, tx: Tx, challenge: Challenge, code: Code | None, now: datetime
    ) -> HodhodError | None:
        """Is the number proved? What refuses the code is a value, and counted."""
        refusal = self._refusal(challenge, now)
        if refusal is not None:
            return refusal
        if challenge.accepted_at is None and await challenges.is_tried_out(
            tx, challenge.phone_hash, self._rules.tries, now
        ):
            return TriesExhausted()
        if code is None and not challenge.is_proven_otherwise:
            return CodeMalformed()
        if not self._is_right(challenge, code, now):
            metrics.SIGNUP_TRIES.labels("wrong").inc()
            await challenges.add_wrong_try(tx, challenge.challenge, now)
            return CodeWrong(tries_left=self._rules.tries_max - challenge.wrong_tries - 1)
        metrics.SIGNUP_TRIES.labels("right").inc()
        return None

    def _is_right(self, challenge: Challenge, code: Code | None, now: datetime) -> bool:
        """Both generations are compared, whatever is accepted: the same work for every answer."""
        if challenge.is_proven_otherwise:
            return True
        if code is None:
            return False
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
