"""Calling providers: the code is minted here, at hand-off, and its answer waits to be written down.

Always true: a call is made only for a hand-off that is in the database; each call has an answer,
"maybe sent" for one that broke in a way no provider should.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from hodhod_server.domain.challenges import Challenge, ChallengeRules
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.code_texts import ClientKind, Wording, code_text
from hodhod_server.domain.codes import derive_code
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.inbound_codes import tag_of
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import open_phone
from hodhod_server.sms.provider import CodeMessage, Outcome, OutcomeClass, Provider, Terms
from hodhod_server.telemetry import logs, metrics

log = logs.get("dispatch")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A hand-off that has begun. `send` is the router's name for it; it leaves at `leaves_at_s` of
    the loop's time, within the turn."""

    challenge: Challenge
    number: int
    provider: str
    kind: str
    send: str
    began_at: datetime
    leaves_at_s: float

    def __repr__(self) -> str:
        return f"Call({self.challenge}, {self.number})"


class Answer(msgspec.Struct, frozen=True):
    """What a provider said, and when."""

    call: Call
    outcome: Outcome
    at: datetime

    @property
    def challenge(self) -> ChallengeId:
        """Whose hand-off it was."""
        return self.call.challenge.challenge


class Calls:
    """The calls under way of one dispatcher."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        keys: Keys,
        clock: Clock,
        rules: ChallengeRules,
        wording: Wording,
    ) -> None:
        self._providers = providers
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._wording = wording
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def end(self, within_s: float) -> None:
        """Until nothing is under way, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()

    async def make(self, call: Call, on_answer: Callable[[Answer], None]) -> None:
        """Hand the code over; `on_answer` is told, unless this is cancelled."""
        self._under_way += 1
        self._idle.clear()
        try:
            await self._make(call, on_answer)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _make(self, call: Call, on_answer: Callable[[Answer], None]) -> None:
        message = self._message(call)
        loop_time = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, call.leaves_at_s - loop_time()))
        began_s = loop_time()
        try:
            outcome = await self._providers[call.provider].send(message)
        except Exception:
            log.exception("provider.defect", provider=call.provider)
            outcome = Outcome(kind=OutcomeClass.AMBIGUOUS, answer="defect")
        outcome = _priced(outcome, self._providers[call.provider].terms)
        metrics.SIGNUP_HANDOFF_SECONDS.labels(call.provider).observe(loop_time() - began_s)
        metrics.SIGNUP_HANDOFFS.labels(
            call.provider, call.challenge.operator, call.kind, str(outcome.kind)
        ).inc()
        if outcome.cost:
            metrics.SIGNUP_COST.labels(call.provider, call.challenge.operator).inc(outcome.cost)
        if not outcome.is_taken:
            log.info("handoff.refused", provider=call.provider, outcome=str(outcome.kind))
        on_answer(Answer(call, outcome, self._clock.now()))

    def _message(self, call: Call) -> CodeMessage:
        challenge = call.challenge
        phone = open_phone(self._keys.phone_cipher, challenge.phone_sealed)
        generation = challenge.generation_at(call.began_at, self._rules)
        code = derive_code(
            self._keys.code, challenge.key_epoch, challenge.challenge, phone, generation
        )
        client, tag = ClientKind(challenge.client), tag_of(self._keys.code, challenge.challenge)
        left = challenge.code_ends_at(call.began_at, self._rules) - call.began_at
        return CodeMessage(
            to=phone,
            code=code,
            text=code_text(code, challenge.locale, client, tag=tag, wording=self._wording),
            locale=challenge.locale,
            client=client,
            tag=tag,
            reference=f"{challenge.challenge}-{call.number}",
            valid_s=int(left.total_seconds()),
        )


def _priced(outcome: Outcome, terms: Terms) -> Outcome:
    """Few providers tell what a message costs; of the others it is what was agreed."""
    if not outcome.is_taken or outcome.cost is not None or not terms.cost:
        return outcome
    return msgspec.structs.replace(outcome, cost=terms.cost)
