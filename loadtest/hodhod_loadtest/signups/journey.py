"""One newcomer: what they know, what they do, and how long it took.

The program follows the challenge by itself; the person looks at the phone, takes a while to type,
and takes another way when one is offered and nothing has come. Nobody taps out of order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hodhod_loadtest.carriers.handsets import Handset, Handsets
from hodhod_loadtest.signups.crowd import Person
from hodhod_loadtest.signups.door import Door, Told
from hodhod_loadtest.signups.prices import pay
from hodhod_server.domain.clock import SystemClock

GIVE_UP_S: Final = 600.0
VOICE_AT_S: Final = 45.0
MESSAGE_AT_S: Final = 70.0
BETWEEN_TRIES_S: Final = 1.0
_WALL: Final = SystemClock()
OVER: Final = ("verified", "locked", "expired", "cancelled")


@dataclass(slots=True)
class Account:
    """What is written down about one newcomer. Times are the loop's."""

    due_s: float
    asked_s: float | None = None
    code_s: float | None = None
    in_s: float | None = None
    promised_s: float | None = None
    """The longest that nine in ten were told to wait, when it was first told."""

    sent_s: float | None = None
    waited_in_room: bool = False
    proofs: int = 0
    way: str = "code"
    refusals: dict[str, int] = field(default_factory=dict)
    told_s: float | None = None
    """When they were told that their own text is the best way."""

    def note(self, told: Told) -> None:
        """Count a refusal."""
        word = told.code or str(told.status)
        self.refusals[word] = self.refusals.get(word, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What everybody shares."""

    door: Door
    handsets: Handsets
    hear: Callable[[str, str], None]
    """Send a text from a phone to the line that was named."""

    typing_s: tuple[float, float] = (5.0, 12.0)
    """From a text's arrival until its code is typed, or a text of one's own is written."""


class Newcomer:
    """Somebody with a phone who wants in."""

    def __init__(self, person: Person, around: Surroundings, chance: random.Random) -> None:
        self._phone = person.phone
        self._person = person
        self._around = around
        self._chance = chance
        self._clock = asyncio.get_running_loop().time
        self._challenge: dict[str, Any] = {}
        self._secret = ""
        self._told = asyncio.Event()

    async def sign_up(self, account: Account) -> None:
        """The whole way in, or ten minutes of trying."""
        handset = self._around.handsets.open(self._phone)
        try:
            async with asyncio.timeout_at(account.due_s + GIVE_UP_S):
                await self._ask(account)
                await self._follow(handset, account)
        except TimeoutError:
            pass
        finally:
            self._around.handsets.close(self._phone)

    async def _ask(self, account: Account) -> None:
        body: dict[str, Any] = {
            "phone": self._phone,
            "locale": "fa",
            "device": {
                "name": "load", "platform": "android", "public_key": self._person.device_key
            },
        }  # fmt: skip
        while not self._challenge:
            told = await self._around.door.start(body, self._person.headers)
            body.pop("proof", None)
            if told.status == 201:
                self._secret = told.body["secret"]
                account.asked_s = self._clock()
                self._note_promise(account, told.body.get("eta"))
                self._note(told.body, account)
            elif told.status == 202:
                account.waited_in_room = True
                body["ticket"] = told.body["ticket"]
                self._note_promise(account, told.body.get("eta"))
                await asyncio.sleep(_left_s(told.body.get("come_back_at")))
            elif told.code == "proof_of_work_required":
                account.proofs += 1
                body["proof"] = await pay(told.body["challenge"])
            else:
                if told.code == "ticket_invalid":
                    body.pop("ticket", None)
                account.note(told)
                await asyncio.sleep(told.retry_after_s or BETWEEN_TRIES_S)

    async def _follow(self, handset: Handset, account: Account) -> None:
        """Until they are in: the program asks how it stands, the person looks at the phone."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._keep_asking(account))
            person = tasks.create_task(self._be_person(handset, account))
            await asyncio.wait((following, person), return_when=asyncio.FIRST_COMPLETED)
            if self._state == "verified":
                await person  # the answer to the code is on its way
            elif self._state == "accepted":
                person.cancel()
                await self._show_until_in(None, account)
            following.cancel()
            person.cancel()

    @property
    def _state(self) -> str:
        return str(self._challenge.get("state", ""))

    async def _keep_asking(self, account: Account) -> None:
        while self._state not in (*OVER, "accepted"):
            version = int(self._challenge.get("version", 0))
            told = await self._around.door.follow(self._challenge["id"], self._secret, version)
            if told.status == 200:
                self._note(told.body, account)
                await asyncio.sleep(_left_s(told.body.get("come_back_at")))
            else:
                account.note(told)
                await asyncio.sleep(told.retry_after_s or BETWEEN_TRIES_S)

    def _note(self, challenge: dict[str, Any], account: Account) -> None:
        self._challenge = challenge
        if account.sent_s is None and challenge.get("sent_at") is not None:
            account.sent_s = self._clock()
        ways = challenge.get("next") or [{}]
        if account.told_s is None and ways[0].get("channel") == "message":
            account.told_s = self._clock()
            self._told.set()

    async def _be_person(self, handset: Handset, account: Account) -> None:
        asked_s = account.asked_s or self._clock()
        async with asyncio.TaskGroup() as tasks:
            ways = tasks.create_task(self._other_ways(asked_s, account))
            await handset.arrived.wait()
            ways.cancel()
        account.code_s = handset.first_at_s
        await asyncio.sleep(self._chance.uniform(*self._around.typing_s))
        await self._show_until_in(handset, account)

    async def _other_ways(self, asked_s: float, account: Account) -> None:
        """A call when it takes long, a text of one's own when that is told, or it takes longer."""
        if not await _is_set(self._told, asked_s + VOICE_AT_S):
            await self._call_me(account)
            await _is_set(self._told, asked_s + MESSAGE_AT_S)
        await self._text_them(account)

    async def _call_me(self, account: Account) -> None:
        if self._offers("voice"):
            account.way = "voice"
            await self._around.door.another_way(self._challenge["id"], self._secret, "voice")

    async def _text_them(self, account: Account) -> None:
        inbound = self._challenge.get("inbound")
        if inbound:
            account.way = "message"
            await asyncio.sleep(self._chance.uniform(*self._around.typing_s))
            self._around.hear(self._phone, inbound["text"])

    def _offers(self, channel: str) -> bool:
        return any(way["channel"] == channel for way in self._challenge.get("next", ()))

    async def _show_until_in(self, handset: Handset | None, account: Account) -> None:
        """With the newest code that came; none is needed where the number was proved otherwise."""
        while account.in_s is None:
            await self._show(None if handset is None else handset.codes[-1], account)

    async def _show(self, code: str | None, account: Account) -> None:
        body: dict[str, Any] = {"secret": self._secret, "name": "سارا"}
        if code is not None:
            body["code"] = code
        told = await self._around.door.verify(self._challenge["id"], body, self._person.headers)
        if told.status == 200:
            account.in_s = self._clock()
        else:
            account.note(told)
            await asyncio.sleep(
                max(told.retry_after_s, self._chance.uniform(*self._around.typing_s))
            )

    def _note_promise(self, account: Account, eta: dict[str, float] | None) -> None:
        if eta and account.promised_s is None:
            account.promised_s = self._clock() + float(eta["p90"]) - account.due_s


def _left_s(moment_ms: int | None) -> float:
    """Until a moment that the server named; they share a clock here."""
    return 0.0 if moment_ms is None else max(0.0, moment_ms / 1000 - _WALL.now().timestamp())


async def _is_set(event: asyncio.Event, by_s: float) -> bool:
    try:
        async with asyncio.timeout_at(by_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
