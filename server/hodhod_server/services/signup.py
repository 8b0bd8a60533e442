"""Sign-up: a number asks for a code and follows it on its way.

Asking is an order in the database and nothing more; the dispatcher (services/dispatching.py) finds
it there. A challenge is one code, however many sends; whoever asks again with the same device gets
the same challenge, and asking for it "again" shows the plan that is running anyway: taps never make
the queue longer. Answers are the same whether the number has an account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from hodhod_server.domain import ladder
from hodhod_server.domain.challenge_secrets import challenge_secret, is_challenge_secret
from hodhod_server.domain.challenges import (
    UNPROVEN,
    Challenge,
    ChallengeRules,
    ChallengeState,
    Limit,
    Locale,
)
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.codes import epoch_of
from hodhod_server.domain.errors import (
    ChallengeExpired,
    ChallengeNotFound,
    Malformed,
    RateLimited,
    TextUsInstead,
    TriesExhausted,
    WrongState,
)
from hodhod_server.domain.ids import ChallengeId, random_public_id
from hodhod_server.domain.inbound_codes import derive_inbound_code, tag_of
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.ladder import LadderRules, Way
from hodhod_server.domain.operators import operator_of
from hodhod_server.domain.phone import Phone, phone_hash, seal_phone
from hodhod_server.domain.sign_ins import sign_in_number
from hodhod_server.services.outlook import Outlook
from hodhod_server.services.watching import Watching
from hodhod_server.settings import SignupSettings
from hodhod_server.store import challenges
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.gathering import Gathering
from hodhod_server.telemetry import metrics

# A locked one may still be proved by a text: nobody can lock somebody else out.
TAKING_MESSAGES: Final = (*UNPROVEN, ChallengeState.LOCKED)
_Mark = Callable[[Tx, ChallengeId, datetime], Awaitable[None]]


def rules_of(settings: SignupSettings) -> ChallengeRules:
    """The part of `[signup]` that decides about challenges."""
    hour_s, day_s = 3600, 86_400
    return ChallengeRules(
        code_validity_s=settings.code_validity_s,
        second_generation_s=settings.second_generation_s,
        tries_max=settings.tries_max,
        tries=(
            Limit(settings.tries_per_phone_hour_max, hour_s),
            Limit(settings.tries_per_phone_day_max, day_s),
        ),
        handoffs=(
            Limit(settings.handoffs_max, 600),
            Limit(settings.handoffs_per_hour_max, hour_s),
            Limit(settings.handoffs_per_day_max, day_s),
        ),
        calls=(
            Limit(settings.calls_per_hour_max, hour_s),
            Limit(settings.calls_per_day_max, day_s),
        ),
    )


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a code, and on what device. With a public key, asking again is recognised."""

    phone: Phone
    locale: Locale
    device_name: str
    platform: str
    public_key: bytes | None
    client: ClientKind = ClientKind.GENERIC
    app_hash: str | None = None
    source: int = 0
    """A bucket of origins: the dispatch queue is fair between them."""
    is_inbound_only: bool = False
    """They get no text from us; they may send one."""
    text_at_once: bool = False
    """No device of theirs is to be asked first."""

    def __repr__(self) -> str:
        return f"Newcomer({self.phone})"


class NextStep(msgspec.Struct, frozen=True):
    """A way for the code, and from when on. The best is named first."""

    way: Way
    at: datetime


class Inbound(msgspec.Struct, frozen=True):
    """What to send to which of our numbers, instead of getting a code."""

    line: str
    text: str

    def __repr__(self) -> str:
        return f"Inbound(line={self.line})"


class ChallengeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the newcomer is told of the challenge."""

    challenge: ChallengeId
    version: int
    state: ChallengeState
    way: Way
    sent_at: datetime | None
    expires_at: datetime | None
    wait_s: tuple[float, float] | None
    come_back_at: datetime | None
    """Too many wait for news already: ask again then, and not before."""
    next: tuple[NextStep, ...]
    tries_left: int
    try_again_at: datetime | None
    tag: str
    inbound: Inbound | None
    sign_in_number: int
    """Who approves in a signed-in device has to name it."""


class Proof(msgspec.Struct, frozen=True):
    """The name of a challenge and the secret that only its starter has."""

    challenge: ChallengeId
    secret: str

    def __repr__(self) -> str:
        return f"Proof({self.challenge})"


class Doorkeeper:
    """Tells a challenge's starter from everybody else: the secret is derived from the id."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def secret_of(self, challenge: ChallengeId) -> str:
        """What only its starter is told."""
        return challenge_secret(self._keys.challenge_secret, challenge)

    def require(self, proof: Proof) -> None:
        """An unknown id has no right secret either, so both get one answer in one time."""
        key = self._keys.challenge_secret
        if not is_challenge_secret(key, proof.challenge, proof.secret):
            raise ChallengeNotFound


async def _start_all(
    tx: Tx, drafts: Sequence[Challenge], *, rules: ChallengeRules
) -> Sequence[challenges.Started]:
    return await challenges.start(tx, drafts, rules)


class Signup:
    """What a newcomer can do until they have a code."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        settings: SignupSettings,
        outlook: Outlook,
        watching: Watching,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._rules = rules_of(settings)
        self._ladder = LadderRules(hedge_s=settings.hedge_s)
        self._doorkeeper = Doorkeeper(keys)
        self._outlook = outlook
        self._watching = watching
        self._starts = Gathering(database, partial(_start_all, rules=self._rules))
        self._on_start: list[Callable[[Challenge], None]] = []

    def when_started(self, note: Callable[[Challenge], None]) -> None:
        """Tell `note`, too, of each challenge that is new."""
        self._on_start.append(note)

    async def run(self) -> None:
        """Write down who starts, until cancelled."""
        await self._starts.run()

    async def start(self, newcomer: Newcomer, wait_s: float = 0.0) -> tuple[ChallengeStatus, str]:
        """A challenge whose code is on order, and its secret. Asked again: the same.

        Told at once, or after up to `wait_s` where the code is likely to leave within them.
        Raises `RateLimited`, `TriesExhausted`, `TextUsInstead` where only a text of theirs would
        do and none can be received.
        """
        if newcomer.is_inbound_only and not self._settings.inbound_lines:
            raise TextUsInstead
        draft = self._draft(newcomer)
        challenge = await self._start(draft)
        if challenge is draft:
            metrics.SIGNUP_REQUESTED.labels(draft.operator).inc()
            for note in self._on_start:
                note(challenge)
            challenge = await self._handed_over(challenge, wait_s)
        return self.status_of(challenge), self._doorkeeper.secret_of(challenge.challenge)

    async def status(self, proof: Proof) -> ChallengeStatus:
        """How the challenge stands. Raises `ChallengeNotFound`."""
        self._doorkeeper.require(proof)
        return self.status_of(await self._load(proof.challenge))

    async def follow(self, proof: Proof, after: int, wait_s: float) -> ChallengeStatus:
        """How it stands once it has changed since version `after`, or after so long.

        Raises `ChallengeNotFound`.
        """
        self._doorkeeper.require(proof)
        wait_s = min(wait_s, self._settings.long_poll_s)
        changed = await self._watching.change(proof.challenge, after, wait_s)
        if isinstance(changed, Challenge):
            return self.status_of(changed)
        return self.status_of(await self._load(proof.challenge), come_back_s=changed)

    async def next(self, proof: Proof, way: Way) -> ChallengeStatus:
        """Choose a way. A text comes by itself; only a call is brought about by asking.

        Raises `ChallengeNotFound`, `WrongState` once verified, `TriesExhausted`,
        `ChallengeExpired`, `Malformed` for a way that there is not, `RateLimited` before its time.
        """
        self._doorkeeper.require(proof)
        challenge = await self._load(proof.challenge)
        self._require_waiting(challenge)
        if way is not Way.VOICE:
            self._require_known(way)
            return self.status_of(challenge)
        now = self._clock.now()
        offers = [step for step in self.status_of(challenge).next if step.way is Way.VOICE]
        if not offers:
            raise Malformed("no such channel; `next` names those there are")
        if now < offers[0].at:
            raise RateLimited(retry_after_s=(offers[0].at - now).total_seconds())
        return await self._mark(proof.challenge, challenges.want_voice)

    async def seen(self, proof: Proof) -> ChallengeStatus:
        """The program saw the text come in: nothing more is sent. Raises `ChallengeNotFound`."""
        self._doorkeeper.require(proof)
        return await self._mark(proof.challenge, challenges.note_seen)

    async def cancel(self, proof: Proof) -> ChallengeStatus:
        """The newcomer wants no code any more. Raises `ChallengeNotFound`."""
        self._doorkeeper.require(proof)
        return await self._mark(proof.challenge, challenges.cancel)

    async def _start(self, draft: Challenge) -> Challenge:
        started = await self._starts.ask(draft.phone_hash, draft)
        if started.answer == "new":
            return draft
        if started.answer == "tried":
            raise TriesExhausted
        if started.known is None:
            assert started.free_at is not None
            wait = started.free_at - draft.created_at
            raise RateLimited(retry_after_s=wait.total_seconds())
        return await self._load(started.known)

    async def _handed_over(self, challenge: Challenge, wait_s: float) -> Challenge:
        """What became of a new challenge in this time; at once where that is no use waiting for."""
        outlook = self._outlook
        likely_s, _ = outlook.wait_s()
        wait_s = min(wait_s, self._settings.long_poll_s)
        if likely_s >= wait_s or challenge.is_inbound_only or outlook.ways.is_in_trouble:
            return challenge
        changed = await self._watching.change(challenge.challenge, challenge.version, wait_s)
        return changed if isinstance(changed, Challenge) else challenge

    async def _load(self, challenge: ChallengeId) -> Challenge:
        async with self._database.connection() as connection:
            return await challenges.load(connection, challenge)

    async def _mark(self, challenge: ChallengeId, mark: _Mark) -> ChallengeStatus:
        async with self._database.connection() as connection:
            await mark(connection, challenge, self._clock.now())
            marked = await challenges.load(connection, challenge)
        self._watching.note_changed([challenge])
        return self.status_of(marked)

    def _draft(self, newcomer: Newcomer) -> Challenge:
        now = self._clock.now()
        return Challenge(
            challenge=ChallengeId(random_public_id()),
            phone_hash=phone_hash(self._keys.phone_index, newcomer.phone),
            phone_sealed=seal_phone(self._keys.phone_cipher, newcomer.phone),
            device_key=newcomer.public_key,
            device_name=newcomer.device_name,
            platform=newcomer.platform,
            locale=newcomer.locale,
            key_epoch=epoch_of(now),
            created_at=now,
            client=newcomer.client,
            app_hash=newcomer.app_hash,
            operator=operator_of(newcomer.phone),
            source=newcomer.source,
            is_inbound_only=newcomer.is_inbound_only,
            text_at_once=newcomer.text_at_once,
        )

    def _require_waiting(self, challenge: Challenge) -> None:
        match challenge.state(self._clock.now(), self._rules):
            case ChallengeState.VERIFIED | ChallengeState.CANCELLED:
                raise WrongState("the challenge is over")
            case ChallengeState.LOCKED:
                raise TriesExhausted
            case ChallengeState.EXPIRED:
                raise ChallengeExpired

    def _require_known(self, way: Way) -> None:
        if way is Way.MESSAGE and not self._settings.inbound_lines:
            raise Malformed("no such channel; `next` names those there are")
        if way is Way.EMAIL:
            raise Malformed("no such channel; `next` names those there are")

    def status_of(self, challenge: Challenge, come_back_s: float | None = None) -> ChallengeStatus:
        """What the newcomer is told of it."""
        now = self._clock.now()
        state = challenge.state(now, self._rules)
        is_queued = state is ChallengeState.QUEUED
        takes_messages = bool(self._settings.inbound_lines) and state in TAKING_MESSAGES
        carried = [send.way for send in challenge.sends if send.is_taken]
        return ChallengeStatus(
            challenge=challenge.challenge,
            version=challenge.version,
            state=state,
            way=carried[-1] if carried else Way.SMS,
            sent_at=challenge.sent_at,
            expires_at=None if is_queued else challenge.ends_at(self._rules),
            wait_s=self._outlook.known_wait_s if is_queued else None,
            come_back_at=None if come_back_s is None else now + timedelta(seconds=come_back_s),
            next=self._options(challenge, state, now),
            tries_left=max(0, self._rules.tries_max - challenge.wrong_tries),
            try_again_at=challenge.try_again_at(),
            tag=tag_of(self._keys.code, challenge.challenge),
            inbound=self._inbound(challenge) if takes_messages else None,
            sign_in_number=sign_in_number(self._keys.sign_in_number, challenge.challenge),
        )

    def _options(
        self, challenge: Challenge, state: ChallengeState, now: datetime
    ) -> tuple[NextStep, ...]:
        ways = self._outlook.ways
        is_shut = state is ChallengeState.LOCKED or challenge.is_inbound_only
        if is_shut and ways.takes_messages and state in TAKING_MESSAGES:
            return (NextStep(Way.MESSAGE, now),)
        progress = challenge.progress(now, self._rules)
        options = ladder.options(progress, ways, self._ladder, now.timestamp())
        return tuple(
            NextStep(option.way, datetime.fromtimestamp(option.at_s, UTC)) for option in options
        )

    def _inbound(self, challenge: Challenge) -> Inbound:
        code = derive_inbound_code(self._keys.code, challenge.challenge)
        return Inbound(self._settings.inbound_lines[0], code.text)
