"""A flood of bots beside a wave: a million starts an hour for 60,000 newcomers in ten minutes.

They come from 5,000 addresses in twenty neighbourhoods (/16), as rented machines lie, to numbers
all over the country or in one range that pays them, and never enter a code. Some pay what costs
0.3 s, and walk away from what costs more; a fleet of machines that pays any price is a matter of
its money, and is not this case.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hodhod_loadtest.bench.growing import database_of
from hodhod_loadtest.signups.crowd import OPERATORS
from hodhod_loadtest.signups.door import Door, http_client
from hodhod_loadtest.signups.prices import level_of, pay
from hodhod_loadtest.signups.punctuality import pace
from hodhod_loadtest.signups.stage import Stage

FOR_EACH_NEWCOMER: Final = 1_000_000 / 6 / 60_000  # in the same time
ADDRESSES_FOR_EACH: Final = 5_000 / 60_000
IN_A_NEIGHBOURHOOD: Final = 250
PAYS_UP_TO: Final = 1
PUMPED: Final = "0914700"  # and ten blocks on: a range whose owner is paid for each text
FOREIGN: Final = ("+49151123", "+2567012", "+370612", "+9230012")
KEPT_TICKETS: Final = 50
_TEXTS: Final = """
SELECT device_name, count(*) AS texts FROM sends JOIN challenges USING (challenge_id)
WHERE outcome IN ('accepted', 'ambiguous') AND device_name LIKE 'bot %'
GROUP BY device_name
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of being a nuisance."""

    name: str
    share: float
    number: Callable[[random.Random], str]
    pays: bool = False
    shows_tickets: bool = False


def _anywhere(chance: random.Random) -> str:
    return f"{chance.choice(OPERATORS)}{chance.randrange(10_000_000):07}"


def _in_range(chance: random.Random) -> str:
    return f"{int(PUMPED) + chance.randrange(10):07}{chance.randrange(10_000):04}".rjust(11, "0")


def _abroad(chance: random.Random) -> str:
    return f"{chance.choice(FOREIGN)}{chance.randrange(100_000):05}"


KINDS: Final = (
    Kind("plain", 0.5, _anywhere),
    Kind("paying", 0.15, _anywhere, pays=True),
    Kind("pumping", 0.15, _in_range, pays=True),
    Kind("toll", 0.1, _abroad, pays=True),
    Kind("tickets", 0.1, _anywhere, shows_tickets=True),
)
_SHARES: Final = tuple(itertools.accumulate(kind.share for kind in KINDS))


def _as_usual(stage: Stage) -> Sequence[float]:
    """Evenly over the whole wave."""
    chance, count = stage.chance("bots"), round(stage.people * FOR_EACH_NEWCOMER)
    return sorted(chance.uniform(0, stage.seconds) for _ in range(count))


class Flood:
    """All of them. `addresses`: as many as newcomers call for, unless told."""

    def __init__(
        self,
        times_s: Callable[[Stage], Sequence[float]] = _as_usual,
        addresses: int | None = None,
        answered: Callable[[str], None] = lambda word: None,
    ) -> None:
        self.lags_s: list[float] = []
        self._plan = times_s
        self._addresses = addresses
        self._answered = answered
        self._answers: Counter[str] = Counter()
        self._tickets: list[str] = ["made up"]

    async def prepare(self, stage: Stage) -> None:
        """They need nothing."""

    async def act(self, stage: Stage) -> None:
        """Each at its time, whatever became of the others."""
        chance = stage.chance("what bots do")
        times_s = self._plan(stage)
        addresses = self._addresses or max(1, round(stage.people * ADDRESSES_FOR_EACH))
        async with http_client() as http, asyncio.TaskGroup() as tasks:
            door = Door(http, stage.signup_url)

            def let_come(due_s: float) -> None:
                self.lags_s.append(time.monotonic() - due_s)
                [kind] = chance.choices(KINDS, cum_weights=_SHARES)
                headers = {"X-Forwarded-For": address(chance.randrange(addresses))}
                tasks.create_task(self._start(door, kind, _body(kind, chance), headers))

            await pace(times_s, let_come)

    async def facts(self, stage: Stage) -> Mapping[str, float]:
        """How many texts they got, of each kind."""
        async with database_of(stage.server.data_dir) as connection:
            rows = await connection.fetch(_TEXTS)
        texts = {str(row["device_name"]): int(row["texts"]) for row in rows}
        all_texts, to_bots = len(stage.street.handed), sum(texts.values())
        return {
            "bot starts": len(self.lags_s),
            **{f"bots answered {answer}": count for answer, count in self._answers.items()},
            **{f"texts to {name}": count for name, count in texts.items()},
            "texts to bots": to_bots,
            "texts to bots, share of people's": to_bots / max(1, all_texts - to_bots),
        }

    async def _start(
        self, door: Door, kind: Kind, body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        if kind.shows_tickets:
            body["ticket"] = self._tickets[len(self.lags_s) % len(self._tickets)]
        told = await door.start(body, headers)
        price = told.body.get("challenge")
        if kind.pays and price is not None and level_of(price) <= PAYS_UP_TO:
            body["proof"] = await pay(price)
            told = await door.start(body, headers)
        if told.status == 202 and len(self._tickets) < KEPT_TICKETS:
            self._tickets.append(str(told.body["ticket"]))
        word = told.code or str(told.status)
        self._answers[word] += 1
        self._answered(word)


def address(number: int) -> str:
    """Of one bot: 250 in a neighbourhood, each in a network (/24) of its own."""
    neighbourhood, place = divmod(number, IN_A_NEIGHBOURHOOD)
    return f"45.{neighbourhood % 256}.{place}.{number % 199 + 1}"


def _body(kind: Kind, chance: random.Random) -> dict[str, Any]:
    key = base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=")
    device = {"name": f"bot {kind.name}", "platform": "android", "public_key": key}
    return {"phone": kind.number(chance), "locale": "fa", "device": device}
