"""Handing a challenge's code to a sender, outside any transaction.

A hand-off is written down before it begins (`begin_handoff`, or the insert of the challenge), so
that it counts against the limit and a second one cannot start beside it; what became of it is
written down after. A process that dies in between leaves the mark, which lapses.
"""

from __future__ import annotations

import asyncio
from typing import Final

from hodhod_server.domain.challenges import Challenge, ChallengeRules
from hodhod_server.domain.code_texts import Wording, code_text
from hodhod_server.domain.codes import derive_code
from hodhod_server.domain.errors import DeliveryFailed
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import open_phone
from hodhod_server.sms.provider import CodeMessage, Outcome, Provider
from hodhod_server.store import challenges
from hodhod_server.store.database import Database
from hodhod_server.telemetry import logs, metrics

log = logs.get("handoffs")
RETRY_AFTER_S: Final = 5.0


class Handoffs:
    """The way of a code out of the house."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        rules: ChallengeRules,
        provider: Provider,
        wording: Wording,
    ) -> None:
        self._database = database
        self._keys = keys
        self._rules = rules
        self._provider = provider
        self._wording = wording

    @property
    def channel(self) -> str:
        """How codes travel."""
        return self._provider.terms.channel

    async def perform(self, challenge: Challenge) -> Challenge:
        """Do the hand-off that has begun with the last of `handoffs`; the challenge afterwards.

        Raises `DeliveryFailed` where the sender refuses, and then it counts as if it never was.
        """
        began_at = challenge.handoffs[-1]
        outcome = await self._send(challenge)
        metrics.SIGNUP_HANDOFFS.labels(str(outcome.kind)).inc()
        async with self._database.transaction() as tx:
            if outcome.is_taken:
                return await challenges.record_handoff(tx, challenge.challenge, began_at)
            await challenges.withdraw_handoff(tx, challenge.challenge, began_at)
        log.info("handoff.refused", outcome=str(outcome.kind))
        raise DeliveryFailed(retry_after_s=outcome.retry_after_s or RETRY_AFTER_S)

    async def _send(self, challenge: Challenge) -> Outcome:
        phone = open_phone(self._keys.phone_cipher, challenge.phone_sealed)
        generation = challenge.generation_at(challenge.handoffs[-1], self._rules)
        code = derive_code(
            self._keys.code, challenge.key_epoch, challenge.challenge, phone, generation
        )
        loop_time = asyncio.get_running_loop().time
        started = loop_time()
        outcome = await self._provider.send(
            CodeMessage(
                to=phone,
                code=code,
                text=code_text(code, challenge.locale, wording=self._wording),
                locale=challenge.locale,
                reference=challenge.challenge,
            )
        )
        metrics.SIGNUP_HANDOFF_SECONDS.observe(loop_time() - started)
        return outcome
