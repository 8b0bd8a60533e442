"""Asking the signed-in devices of a number's account whether somebody may come in.

Every start is queued, whether its number has an account or not, and looked up beside the answer,
which takes no longer for numbers that have one. The queue is bounded; beyond, nobody is asked, and
the code comes anyway.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.challenges import Challenge
from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import ChallengeNotFound, Overloaded, SignInNumberWrong, WrongState
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.sign_ins import sign_in_choices, sign_in_number
from hodhod_server.domain.tokens import Caller
from hodhod_server.domain.tries import Allowance, subject
from hodhod_server.services.delivery import Delivery
from hodhod_server.services.holds import require_unheld
from hodhod_server.store import challenges, sign_ins, tries
from hodhod_server.store.database import Database, Tx
from hodhod_server.telemetry import logs, metrics
from hodhod_wire.codec import MSGPACK
from hodhod_wire.frames import SignInAsked

log = logs.get("sign_ins")
QUEUE_MAX: Final = 5_000  # starts of half a minute in a surge
BATCH_MAX: Final = 200
WAITING_FOR: Final = timedelta(minutes=10)
LISTED_MAX: Final = 10
RETRY_S: Final = 1.0
ONE_TRY: Final = Allowance(1, WAITING_FOR.total_seconds())  # of three numbers


class SignIns:
    """Sign-ins that wait for a word of the account's own devices."""

    def __init__(self, database: Database, keys: Keys, clock: Clock, delivery: Delivery) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._delivery = delivery
        self._queue: deque[Challenge] = deque()
        self._filled = asyncio.Event()

    def ask(self, challenge: Challenge) -> None:
        """Ask the devices of the number's account, if it has one. Never waits."""
        if len(self._queue) >= QUEUE_MAX:
            metrics.SIGN_INS_UNASKED.inc()
            return
        self._queue.append(challenge)
        self._filled.set()

    async def run(self) -> None:
        """Ask whoever is to be asked, until cancelled."""
        while True:
            await self._filled.wait()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
            if not self._queue:
                self._filled.clear()
            try:
                await self._ask_all(batch)
            except Overloaded:
                metrics.SIGN_INS_UNASKED.inc(len(batch))
                await asyncio.sleep(RETRY_S)

    async def waiting(self, caller: Caller) -> list[SignInAsked]:
        """What the caller's devices may approve now, newest first."""
        since = self._clock.now() - WAITING_FOR
        async with self._database.connection() as connection:
            found = await sign_ins.waiting_for(connection, caller.user, since, LISTED_MAX)
        return [self._told(challenge) for challenge in found]

    async def approve(self, caller: Caller, challenge: ChallengeId, number: int) -> None:
        """Let the device in that shows this number.

        Raises `ChallengeNotFound`, `SignInNumberWrong`, `TriesExhausted`, `WrongState`, `Held`.
        """
        now = self._clock.now()
        async with self._database.connection() as connection:
            name = subject("approve", challenge.encode(errors="replace"))
            await tries.take(connection, name, ONE_TRY, now)
        if number != sign_in_number(self._keys.sign_in_number, challenge):
            raise SignInNumberWrong
        async with self._database.transaction() as tx:
            await self._lock_waiting(tx, caller, challenge)
            await sign_ins.approve(tx, challenge, caller.user, now)
        log.info("sign_in.approved", user=caller.user, device=caller.device)

    async def refuse(self, caller: Caller, challenge: ChallengeId) -> None:
        """Nobody comes in by this challenge. Raises `ChallengeNotFound`, `WrongState`, `Held`."""
        async with self._database.transaction() as tx:
            await self._lock_waiting(tx, caller, challenge)
            await sign_ins.refuse(tx, challenge, self._clock.now())
        log.info("sign_in.refused", user=caller.user, device=caller.device)

    async def _lock_waiting(self, tx: Tx, caller: Caller, challenge: ChallengeId) -> None:
        now = self._clock.now()
        await require_unheld(tx, caller, now)
        found = await challenges.lock(tx, challenge)
        if not await sign_ins.is_of(tx, caller.user, found.phone_hash):
            raise ChallengeNotFound
        is_over = found.created_at < now - WAITING_FOR or found.refused_at is not None
        if is_over or found.device is not None:
            raise WrongState("this sign-in does not wait any more")

    async def _ask_all(self, batch: Sequence[Challenge]) -> None:
        async with self._database.connection() as connection:
            users = await sign_ins.asked_of(connection, [one.phone_hash for one in batch])
        self._delivery.enqueue(
            Envelope((users[one.phone_hash],), MSGPACK.encode(self._told(one)))
            for one in batch
            if one.phone_hash in users
        )

    def _told(self, challenge: Challenge) -> SignInAsked:
        return SignInAsked(
            challenge=challenge.challenge,
            at=to_ms(challenge.created_at),
            name=challenge.device_name,
            platform=challenge.platform,
            numbers=sign_in_choices(self._keys.sign_in_number, challenge.challenge),
        )
