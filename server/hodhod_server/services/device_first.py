"""Before a text is sent: is the number's owner online on a device that could approve?

That device has been asked already (services/sign_ins.py). Where it is online, the asking takes the
place of the first text, and the text follows when a second one would. Nobody may learn by that
which numbers have an account: so the asking waits in the same queue, counts against the same
limits, and is answered after a time that a provider took lately. While providers refuse, or nobody
knows how long they take, texts leave at once.

Always true: losing the routing table, or a device that does not answer, costs no text.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, Protocol

from hodhod_server.cluster.broker import BrokerUnavailable
from hodhod_server.domain.challenges import DEVICE, Challenge
from hodhod_server.domain.ids import ChallengeId, UserId
from hodhod_server.store import sign_ins
from hodhod_server.store.database import Tx
from hodhod_server.telemetry import logs

log = logs.get("dispatch")
KNOWN_MIN: Final = 8  # texts taken in a row: fewer say too little about how long that takes
KNOWN_MAX: Final = 64
ANSWER_S: Final = 0.2  # of the routing table; a turn of the dispatcher waits for it
PAUSE_S: Final = 5.0  # after that was in vain


class Presence(Protocol):
    """Who is connected anywhere. Raises `BrokerUnavailable`."""

    async def online(self, users: Sequence[UserId]) -> set[UserId]: ...


class DeviceFirst:
    """Whose text can wait, and how long a provider would have taken; without presence nobody's."""

    def __init__(self, presence: Presence | None, random: Random) -> None:
        self._presence = presence
        self._random = random
        self._took_s: deque[float] = deque(maxlen=KNOWN_MAX)
        self._again_s = 0.0

    def note_text(self, took_s: float, *, is_taken: bool) -> None:
        """A provider has answered to a first text."""
        if is_taken:
            self._took_s.append(took_s)
        else:
            self._took_s.clear()

    def pause_s(self) -> float:
        """As long as a provider took lately."""
        return self._random.choice(self._took_s) if self._took_s else 0.0

    async def of(self, tx: Tx, wanted: Mapping[ChallengeId, Challenge]) -> frozenset[ChallengeId]:
        """Those of these challenges whose owner is online."""
        presence, now_s = self._presence, asyncio.get_running_loop().time()
        if presence is None or not wanted:
            return frozenset()
        if len(self._took_s) < KNOWN_MIN or now_s < self._again_s:
            return frozenset()
        hashes = [challenge.phone_hash for challenge in wanted.values()]
        users = await sign_ins.asked_of(tx, hashes)
        if not users:
            return frozenset()
        try:
            async with asyncio.timeout(ANSWER_S):
                online = await presence.online(list(users.values()))
        except (BrokerUnavailable, TimeoutError):
            log.warning("presence.unknown")
            self._again_s = now_s + PAUSE_S
            return frozenset()
        return frozenset(
            key for key, challenge in wanted.items() if users.get(challenge.phone_hash) in online
        )


def has_only_asked(challenge: Challenge) -> bool:
    """Has a device been asked, and no text been sent so far?"""
    return bool(challenge.sends) and all(send.provider == DEVICE for send in challenge.sends)
