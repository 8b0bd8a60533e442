"""One newcomer: what they know, what they do, and how long it took.

The program follows the challenge by itself; the person looks at the phone, takes a while to type,
and takes another way when one is offered and nothing has come. Nobody taps out of order.

All of it is one task that waits on one bell, so that ten thousand who wait fit into one process.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hodhod_loadtest.carriers.handsets import Handset, Handsets
from hodhod_loadtest.http.messages import Message
from hodhod_loadtest.signups.bell import Bell
from hodhod_loadtest.signups.crowd import Person
from hodhod_loadtest.signups.door import Door, Told, read
from hodhod_loadtest.signups.prices import pay
from hodhod_server.domain.clock import SystemClock

GIVE_UP_S: Final = 600.0
VOICE_AT_S: Final = 45.0
MESSAGE_AT_S: Final = 70.0
BETWEEN_TRIES_S: Final = 1.0
HAND_OVER_S: Final = 3.0  # as the SDK lets the first answer wait
PERSIAN: Final = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_WALL: Final = SystemClock()
FAILED: Final = ("locked", "expired", "cancelled")
OVER: Final = ("verified", "accepted", *FAILED)
"""Nothing more is to be heard of a challenge in these states."""


@dataclass(slots=True)
class Account:
    """What is written down about one newcomer. Times are the monotonic clock's."""

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


class Chance(Protocol):
    """What differs from one person to the next, as `random.Random` has it."""

    def uniform(self, a: float, b: float, /) -> float:
        """Between the two."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What people do besides what they are told to; shares of them."""

    mistyped: float = 0.0
    """They type another code first."""

    persian_digits: float = 0.0
    """Their keyboard is Persian, and so are its digits."""

    offline: float = 0.0
    """They lose the network while they wait, and everything that was under way."""

    offline_s: tuple[float, float] = (2.0, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What everybody shares."""

    door: Door
    handsets: Handsets
    hear: Callable[[str, str], None]
    """Send a text from a phone to the line that was named."""

    typing_s: tuple[float, float] = (5.0, 12.0)
    """From a text's arrival until its code is typed, or a text of one's own is written."""

    habits: Habits = Habits()


class Newcomer:
    """Somebody with a phone who wants in."""

    __slots__ = (
        "_again_s",
        "_around",
        "_bell",
        "_challenge",
        "_chance",
        "_gives_up_s",
        "_inbound",
        "_offered",
        "_person",
        "_poll",
        "_secret",
        "_state",
        "_version",
    )

    def __init__(self, person: Person, around: Surroundings, chance: Chance) -> None:
        self._person = person
        self._around = around
        self._chance = chance
        self._bell = Bell()
        self._challenge = ""
        self._secret = ""
        self._state = ""
        self._version = 0
        self._offered: tuple[str, ...] = ()
        self._inbound: str | None = None
        self._poll: asyncio.Future[Message] | None = None
        self._again_s = 0.0  # not to be asked again before
        self._gives_up_s = math.inf

    async def sign_up(self, account: Account) -> None:
        """The whole way in, or ten minutes of trying."""
        handset = self._around.handsets.open(self._person.phone)
        handset.arrived.ring = self._bell.ring
        self._gives_up_s = account.due_s + GIVE_UP_S
        try:
            await self._ask(account)
            await self._wait_for_code(handset, account)
            await self._show_until_in(handset, account)
        except TimeoutError:
            pass  # a timer of asyncio's for each would cost as much as all else that they wait with
        finally:
            if self._poll is not None:
                self._poll.cancel()
            self._around.handsets.close(self._person.phone)

    async def _ask(self, account: Account) -> None:
        body: dict[str, Any] = {
            "phone": self._person.phone,
            "locale": "fa",
            "device": {
                "name": "load", "platform": "android", "public_key": self._person.device_key
            },
            "wait_s": HAND_OVER_S,
        }  # fmt: skip
        while not self._challenge:
            told = await self._around.door.start(body, self._person.headers)
            body.pop("proof", None)
            if told.status == 201:
                self._challenge, self._secret = told.body["id"], told.body["secret"]
                account.asked_s = time.monotonic()
                self._note_promise(account, told.body.get("eta"))
                self._note(told.body, account)
            elif told.status == 202:
                account.waited_in_room = True
                body["ticket"] = told.body["ticket"]
                self._note_promise(account, told.body.get("eta"))
                await self._stay_away(_left_s(told.body.get("come_back_at")))
            elif told.code == "proof_of_work_required":
                account.proofs += 1
                body["proof"] = await pay(told.body["challenge"])
            else:
                if told.code == "ticket_invalid":
                    body.pop("ticket", None)
                account.note(told)
                await self._stay_away(told.retry_after_s or BETWEEN_TRIES_S)

    async def _stay_away(self, pause_s: float) -> None:
        left_s = self._gives_up_s - time.monotonic()
        await asyncio.sleep(min(pause_s, left_s))
        if left_s <= pause_s:
            raise TimeoutError

    # --- the program -----------------------------------------------------------------------------

    async def _until(
        self, is_so: Callable[[], bool], account: Account, by_s: float = math.inf
    ) -> bool:
        """Follow the challenge until something is so, or until that moment; was it in time?"""
        while True:
            self._follow(account)
            if is_so():
                return True
            now_s = time.monotonic()
            if now_s >= by_s:
                return False
            if now_s >= self._gives_up_s:
                raise TimeoutError
            await self._bell.wait(min(by_s, self._again_s, self._gives_up_s))

    def _follow(self, account: Account) -> None:
        """Take the answer that has come, and ask again once it is time to."""
        if self._poll is not None:
            if not self._poll.done():
                return
            told, self._poll = read(self._poll.result()), None
            pause_s = 0.0
            if told.status == 200:
                self._note(told.body, account)
                pause_s = _left_s(told.body.get("come_back_at"))
            else:
                account.note(told)
                pause_s = told.retry_after_s or BETWEEN_TRIES_S
            self._again_s = time.monotonic() + pause_s
        if self._state in OVER:
            self._again_s = math.inf
        elif time.monotonic() >= self._again_s:
            self._again_s = math.inf  # the answer rings
            self._poll = self._around.door.following(self._challenge, self._secret, self._version)
            self._poll.add_done_callback(self._bell.ring)

    def _note(self, told: dict[str, Any], account: Account) -> None:
        self._state, self._version = told["state"], told["version"]
        self._offered = tuple(way["channel"] for way in told.get("next") or ())
        self._inbound = (told.get("inbound") or {}).get("text")
        if account.sent_s is None and told.get("sent_at") is not None:
            account.sent_s = time.monotonic()
        if account.told_s is None and self._offered[:1] == ("message",):
            account.told_s = time.monotonic()

    # --- the person ------------------------------------------------------------------------------

    async def _wait_for_code(self, handset: Handset, account: Account) -> None:
        """Until a text came, or the number is proved without; other ways are taken meanwhile."""

        def is_over() -> bool:
            return bool(handset.codes) or self._is_proved or self._state in FAILED

        def is_told() -> bool:
            return account.told_s is not None or is_over()

        asked_s = account.asked_s or time.monotonic()
        await self._lose_network()
        if not await self._until(is_told, account, asked_s + VOICE_AT_S):
            self._call_me(account)
            await self._until(is_told, account, asked_s + MESSAGE_AT_S)
        if not is_over() and self._inbound is not None:
            account.way = "message"
            if not await self._until(is_over, account, self._typed_at_s()):
                self._around.hear(self._person.phone, self._inbound)
        await self._until(is_over, account)
        if handset.codes:
            account.code_s = handset.first_at_s
            await self._until(lambda: self._is_proved, account, self._typed_at_s())

    async def _lose_network(self) -> None:
        """For a while nobody hears of anything; the answer under way is never read."""
        if not self._does(self._around.habits.offline):
            return
        self._follow_not()
        await self._stay_away(self._chance.uniform(*self._around.habits.offline_s))

    def _follow_not(self) -> None:
        if self._poll is not None:
            self._poll.remove_done_callback(self._bell.ring)
            self._poll.cancel()
            self._poll = None
            self._again_s = 0.0

    def _does(self, share: float) -> bool:
        """Is this one of so many? Costs no draw where nobody does."""
        return share > 0 and self._chance.uniform(0.0, 1.0) < share

    @property
    def _is_proved(self) -> bool:
        """Did they show whose number it is, without a code?"""
        return self._state == "accepted"

    def _typed_at_s(self) -> float:
        return time.monotonic() + self._chance.uniform(*self._around.typing_s)

    def _call_me(self, account: Account) -> None:
        if "voice" in self._offered:
            account.way = "voice"
            self._around.door.choosing(self._challenge, self._secret, "voice")

    async def _show_until_in(self, handset: Handset, account: Account) -> None:
        """With the newest code that came; none is needed where the number was proved otherwise."""
        habits, is_wrong = self._around.habits, self._does(self._around.habits.mistyped)
        is_persian = self._does(habits.persian_digits)
        while account.in_s is None and self._state not in FAILED:
            is_proved = self._is_proved
            code = None if is_proved else _typed(handset.codes[-1], is_wrong, is_persian)
            is_wrong = False
            told = await self._show(code, account)
            if told.status == 200:
                account.in_s = time.monotonic()
                return
            account.note(told)
            again_s = max(time.monotonic() + told.retry_after_s, self._typed_at_s())
            is_news = _never if is_proved else lambda: self._is_proved
            await self._until(is_news, account, again_s)

    async def _show(self, code: str | None, account: Account) -> Told:
        body: dict[str, Any] = {"secret": self._secret, "name": "سارا"}
        if code is not None:
            body["code"] = code
        showing = self._around.door.verifying(self._challenge, body, self._person.headers)
        showing.add_done_callback(self._bell.ring)
        await self._until(showing.done, account)
        return read(showing.result())

    def _note_promise(self, account: Account, eta: dict[str, float] | None) -> None:
        if eta and account.promised_s is None:
            account.promised_s = time.monotonic() + float(eta["p90"]) - account.due_s


def _typed(code: str, is_wrong: bool, is_persian: bool) -> str:
    """What somebody makes of a code."""
    typed = code[:-1] + str((int(code[-1]) + 1) % 10) if is_wrong else code
    return typed.translate(PERSIAN) if is_persian else typed


def _left_s(moment_ms: int | None) -> float:
    """Until a moment that the server named; they share a clock here."""
    return 0.0 if moment_ms is None else max(0.0, moment_ms / 1000 - _WALL.now().timestamp())


def _never() -> bool:
    return False
