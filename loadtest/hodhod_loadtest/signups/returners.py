"""People who were here before and come back during a wave, as the SDK brings them back.

Their access token has expired: the refresh token gives the next one, and where it is refused, for
it has expired too, a signature of the device's key does. Neither needs a text.

They are written into the private server's own database before the wave: what is measured begins
after them.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hodhod_loadtest.bench.figures import percentile
from hodhod_loadtest.bench.growing import database_of
from hodhod_loadtest.http.client import Client, Peer
from hodhod_loadtest.signups.door import read
from hodhod_loadtest.signups.punctuality import pace
from hodhod_loadtest.signups.stage import Stage
from hodhod_server.domain.clock import SystemClock, to_ms
from hodhod_server.domain.device_keys import return_message
from hodhod_server.domain.keys import Keys, base64url
from hodhod_server.domain.phone import Phone, phone_hash
from hodhod_server.domain.refresh_tokens import RefreshToken, random_token
from hodhod_server.domain.secret import Secret

FOR_EACH_NEWCOMER: Final = 0.5
WITHIN: Final = 0.5  # of the wave: 30,000 in five minutes beside 60,000 in ten
BY_KEY: Final = 0.2  # have been away for longer than a refresh token lasts
PREFIX: Final = "+98994"  # of nobody in the crowd
GIVE_UP_S: Final = 60.0
BETWEEN_TRIES_S: Final = 0.5
_CLOCK: Final = SystemClock()
_SETTLE: Final = """
WITH asked AS (
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
        AS a (phone_hash, public_key, token_hash)
), people AS (
    INSERT INTO users (phone_hash, phone_encrypted, name, created_at)
    SELECT phone_hash, '', 'returning', now() FROM asked
    RETURNING user_id, phone_hash
), own AS (
    INSERT INTO devices (user_id, name, platform, public_key, created_at, last_seen_at)
    SELECT user_id, 'load', 'android', public_key, now(), now()
    FROM people JOIN asked USING (phone_hash)
    RETURNING user_id, device_id
), tokens AS (
    INSERT INTO refresh_tokens (token_hash, device_id, issued_at, expires_at)
    SELECT token_hash, device_id, now(), $4
    FROM asked JOIN people USING (phone_hash) JOIN own USING (user_id)
    WHERE token_hash IS NOT NULL
)
SELECT phone_hash, device_id FROM people JOIN own USING (user_id)
"""
_CHALLENGES: Final = """
SELECT count(*) FROM challenges JOIN users USING (phone_hash) WHERE users.name = 'returning'
"""


@dataclass(slots=True)
class Returner:
    """Somebody with a device that is known. Times are the loop's."""

    phone: Phone
    token: RefreshToken
    key: Ed25519PrivateKey
    device: int = 0
    due_s: float = 0.0
    back_s: float | None = None

    @property
    def took_s(self) -> float:
        return math.inf if self.back_s is None else self.back_s - self.due_s


Session = Mapping[str, Any]
"""What a person is told who is let in again."""


def _in_the_first_half(stage: Stage) -> Sequence[float]:
    """Half as many as newcomers."""
    chance, count = stage.chance("returns"), round(stage.people * FOR_EACH_NEWCOMER)
    return sorted(chance.uniform(0, stage.seconds * WITHIN) for _ in range(count))


async def _stay(session: Session) -> None:
    """Being let in is all they want."""


class Returners:
    """They come at `times_s`; back they are when what they do `inside` is done.

    Where that is refused or breaks, it is tried again, as their programs do.
    """

    def __init__(
        self,
        times_s: Callable[[Stage], Sequence[float]] = _in_the_first_half,
        inside: Callable[[Session], Awaitable[None]] = _stay,
        done: Callable[[Returner], None] = lambda person: None,
        came: Callable[[float], None] = lambda due_s: None,
    ) -> None:
        self.lags_s: list[float] = []
        self._plan = times_s
        self._inside = inside
        self._done = done
        self._came = came
        self._times_s: Sequence[float] = ()
        self._people: list[Returner] = []
        self._answers: Counter[str] = Counter()
        self._clock = time.monotonic

    async def prepare(self, stage: Stage) -> None:
        """Give them accounts."""
        self._times_s = self._plan(stage)
        count = len(self._times_s)
        self._people = await asyncio.to_thread(_made, count)
        expired = stage.chance("expired").sample(range(count), round(count * BY_KEY))
        await _settle(stage, self._people, frozenset(expired))

    async def act(self, stage: Stage) -> None:
        """Each at their time, over connections of their own, as phones come."""
        people = iter(self._people)
        async with Client() as http, asyncio.TaskGroup() as tasks:
            peer = http.peer(stage.signup_url)

            def let_come(due_s: float) -> None:
                person = next(people)
                person.due_s = due_s
                self.lags_s.append(self._clock() - due_s)
                self._came(due_s)
                tasks.create_task(self._come_back(peer, person))

            await pace(self._times_s, let_come)

    async def facts(self, stage: Stage) -> Mapping[str, float]:
        """How it went for them, and whether anybody else was bothered."""
        numbers = {person.phone.e164[-10:] for person in self._people}
        calls = sum(handed.phone in numbers for handed in stage.street.handed)
        async with database_of(stage.server.data_dir) as connection:
            challenges = int(await connection.fetchval(_CHALLENGES))
        took = [person.took_s for person in self._people]
        return {
            "returns": len(took),
            "returns not back": sum(math.isinf(one) for one in took),
            "return p50, ms": 1000 * percentile(took, 0.5),
            "return p99, ms": 1000 * percentile(took, 0.99),
            "return longest, ms": 1000 * max(took),
            "provider calls for returns": calls + challenges,
            "returns sent to the waiting room": self._answers["202"],
            "returns refused": sum(self._answers.values())
            - self._answers["200"]
            - self._answers["refresh_token_invalid"],
        }

    async def _come_back(self, peer: Peer, person: Returner) -> None:
        await self._return(peer, person)
        self._done(person)

    async def _return(self, peer: Peer, person: Returner) -> None:
        """Until they are back: by token, else by key. What is refused for now is asked again."""
        way = "refresh"
        while self._clock() < person.due_s + GIVE_UP_S:
            answer = await peer.ask(_request(peer, person, way), within_s=GIVE_UP_S)
            told = read(answer)
            word = told.code or str(told.status)
            self._answers[word] += 1
            if told.status == 200:
                if await self._has_settled(told.body, person):
                    person.back_s = self._clock()
                return
            if word == "refresh_token_invalid":
                way = "device-key"
            else:
                await asyncio.sleep(told.retry_after_s or BETWEEN_TRIES_S)

    async def _has_settled(self, session: Session, person: Returner) -> bool:
        while self._clock() < person.due_s + GIVE_UP_S:
            try:
                await self._inside(session)
            except (ConnectionError, TimeoutError):
                await asyncio.sleep(BETWEEN_TRIES_S)
            else:
                return True
        return False


def _made(count: int) -> list[Returner]:
    """Keys take a while: not on the loop."""
    return [
        Returner(
            phone=Phone(f"{PREFIX}{number:07}"),
            token=random_token(),
            key=Ed25519PrivateKey.from_private_bytes(secrets.token_bytes(32)),
        )
        for number in range(count)
    ]


async def _settle(stage: Stage, people: Sequence[Returner], expired: frozenset[int]) -> None:
    master = Secret((stage.server.data_dir / "master.key").read_bytes().strip())
    index = Keys.from_master(master).phone_index
    by_hash = {phone_hash(index, person.phone): person for person in people}
    tokens = [
        None if place in expired else person.token.stored_hash
        for place, person in enumerate(people)
    ]
    keys = [person.key.public_key().public_bytes_raw() for person in people]
    expires_at = _CLOCK.now() + timedelta(days=1)
    async with database_of(stage.server.data_dir) as connection:
        rows = await connection.fetch(_SETTLE, list(by_hash), keys, tokens, expires_at)
        await connection.execute("ANALYZE users, devices, refresh_tokens")
    for row in rows:
        by_hash[row["phone_hash"]].device = row["device_id"]


def _request(peer: Peer, person: Returner, way: str) -> bytes:
    content = msgspec.json.encode(_body(person, way))
    return b"".join((
        b"POST /v1/sessions/%b HTTP/1.1\r\nHost: %b\r\n" % (way.encode(), peer.host),
        b"Connection: close\r\nContent-Type: application/json\r\n",
        b"Content-Length: %d\r\n\r\n%b" % (len(content), content),
    ))  # fmt: skip


def _body(person: Returner, way: str) -> dict[str, Any]:
    if way == "refresh":
        return {"refresh_token": person.token.text}
    at_ms = to_ms(_CLOCK.now())
    signature = person.key.sign(return_message(person.device, at_ms))
    return {"device": person.device, "at": at_ms, "signature": base64url(signature)}
