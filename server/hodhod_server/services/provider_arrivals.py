"""What carriers tell later: receipts, and texts that people send to our lines.

A newcomer who writes the challenge's own eight characters from the number to be proved has proved
it; a sender can be forged only by who has a line into the operator's network. All of a batch is
stored before it is confirmed to the carrier.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from hodhod_server.domain.challenges import QUEUED_S, AcceptedBy, Challenge, ChallengeRules
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.inbound_codes import candidates_in, derive_inbound_code
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import phone_hash
from hodhod_server.services.signup import TAKING_MESSAGES
from hodhod_server.services.watching import Watching
from hodhod_server.sms.provider import Arrival, Inbound, Receipt
from hodhod_server.store import challenges, sends
from hodhod_server.store.database import Database
from hodhod_server.telemetry import logs, metrics

log = logs.get("arrivals")
TEXTS_MATCHED_MAX: Final = 20  # challenges that one text is compared with: a flood costs no more


class ProviderArrivals:
    """The `Listener` of every provider."""

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        rules: ChallengeRules,
        watching: Watching,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._rules = rules
        self._watching = watching

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        """Returns once everything is stored. Raises `Overloaded`: then it must come again."""
        receipts = [item for item in arrivals if isinstance(item, Receipt)]
        if receipts:
            await self._store(receipts)
        for item in arrivals:
            if isinstance(item, Inbound):
                await self._match(item)

    async def pending(self, provider: str, ids_max: int) -> Sequence[str]:
        """Messages whose receipts are worth asking for, those asked for longest ago first."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            return await sends.pending_receipts(connection, provider, ids_max, now)

    async def _store(self, receipts: Sequence[Receipt]) -> None:
        # One for each message, the last: a statement changes a row once.
        newest = {(item.provider, item.message_id): item for item in receipts if item.message_id}
        told = [
            sends.Told(provider, message_id, str(item.state))
            for (provider, message_id), item in newest.items()
        ]
        async with self._database.connection() as connection:
            noted = await sends.note_receipts(connection, told, self._clock.now())
        for item in noted:
            metrics.SIGNUP_RECEIPTS.labels(item.provider, item.operator, item.state).inc()

    async def _match(self, text: Inbound) -> None:
        """Accept the challenge whose code this is, if the number is its own."""
        now = self._clock.now()
        index = phone_hash(self._keys.phone_index, text.sender)
        since = now - timedelta(seconds=QUEUED_S + 2 * self._rules.code_validity_s)
        candidates = candidates_in(text.text)
        async with self._database.connection() as connection:
            waiting = await challenges.waiting_of_phone(connection, index, since)
            named = [
                challenge
                for challenge in waiting[:TEXTS_MATCHED_MAX]
                if derive_inbound_code(self._keys.code, challenge).is_in(candidates)
            ]
            found = await challenges.find_many(connection, named) if named else []
            accepted = [item.challenge for item in found if self._takes_messages(item)]
            for challenge in accepted:
                await challenges.accept(connection, challenge, now, AcceptedBy.MESSAGE)
        self._tell(accepted)

    def _takes_messages(self, challenge: Challenge) -> bool:
        return challenge.state(self._clock.now(), self._rules) in TAKING_MESSAGES

    def _tell(self, accepted: Sequence[ChallengeId]) -> None:
        metrics.SIGNUP_INBOUND.labels("accepted" if accepted else "unmatched").inc()
        if accepted:
            log.info("signup.proved_by_message", challenge=accepted[0])
            self._watching.note_changed(accepted)
