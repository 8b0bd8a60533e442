"""The dispatcher: finds ordered codes in the database and sees to it that they arrive.

Of all sign-up processes one dispatches, the holder of a database lock. Its memory can be computed
again from the database, where each hand-off stands before its provider is called: a successor
begins where it ended, and repeats what was under way (the same code: harmless).

It works in turns: read what is new, write down what was answered, let the router choose, begin
those hand-offs in one statement, call the providers. So the cost of a turn is shared by all in it.
Always true: who is verified or has cancelled gets nothing more, the statement that begins checks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final, NamedTuple

import msgspec

from hodhod_server.domain.challenges import DEVICE, QUEUED_S, Challenge, ChallengeRules
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.code_texts import Wording
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.ladder import LadderRules, Ways
from hodhod_server.services.device_first import DeviceFirst
from hodhod_server.services.dispatch_calls import Answer, Call, Calls
from hodhod_server.services.dispatch_plan import Picked, Plan
from hodhod_server.services.outlook import Outlook
from hodhod_server.services.watching import Watching
from hodhod_server.sms.provider import Outcome, OutcomeClass, Provider, ReceiptState
from hodhod_server.sms.router import RouterSnapshot
from hodhod_server.store import challenges, sends
from hodhod_server.store.database import Database, Tx
from hodhod_server.store.leadership import Leadership
from hodhod_server.telemetry import logs, metrics

log = logs.get("dispatch")
# A turn is shared by all that comes in it. At a hundred sign-ups a second each turn carries five of
# them; a text takes seconds anyway.
GATHER_S: Final = 0.05
LOOK_S: Final = 0.25  # for what other processes have ordered
NEWS_S: Final = 1.0  # each look reads all of LOOK_BACK again
TELL_S: Final = 1.0
LOOK_BACK: Final = timedelta(seconds=3)  # for what was committed later than its time says
CALLS_S: Final = 6.0  # a provider's answer takes 5 s at most
READ_MAX: Final = 500
DIED: Final = "dispatcher died"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RouterSnapshot).decode


class Desk(NamedTuple):
    """What a dispatcher works with."""

    database: Database
    leadership: Leadership
    outlook: Outlook
    watching: Watching
    clock: Clock
    devices: DeviceFirst


class Office(NamedTuple):
    """By what rules it works."""

    rules: ChallengeRules
    ladder: LadderRules
    ways: Ways
    wording: Wording


class Dispatcher:
    """Runs in every sign-up process and works in one of them."""

    def __init__(
        self, desk: Desk, office: Office, providers: Sequence[Provider], keys: Keys, random: Random
    ) -> None:
        self._duties: list[Callable[[], Awaitable[None]]] = []
        self._on_sent: Callable[[int], None] = lambda cost: None
        self._desk = desk
        self._office = office
        self._terms = [provider.terms for provider in providers]
        self._random = random
        self._costs = {item.name: item.cost for item in self._terms}
        by_name = {provider.terms.name: provider for provider in providers}
        self._calls = Calls(by_name, keys, desk.clock, office.rules, office.wording)
        self._plan = self._new_plan()
        self._answers: deque[Answer] = deque()
        self._woken = asyncio.Event()
        self._is_leading = False
        self._ordered: list[Challenge] = []
        self._orders_read_s = 0.0
        self._read_to = self._news_to = desk.clock.now()
        self._news_read_s = 0.0
        self._heard: dict[tuple[ChallengeId, int], datetime] = {}

    def also_run(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Run this as well, while this process leads and no other does."""
        self._duties.append(duty)

    def when_sent(self, note: Callable[[int], None]) -> None:
        """Tell `note` what each message costs that a provider took."""
        self._on_sent = note

    def find(self, challenge: ChallengeId) -> Challenge | None:
        """The challenge as it was when it was last touched here, while it may still get a code."""
        order = self._plan.orders.find(challenge)
        return None if order is None else order.challenge

    async def run(self) -> None:
        """Dispatch whenever this process leads, until cancelled."""
        leadership = self._desk.leadership
        try:
            while True:
                await leadership.win()
                log.info("dispatch.leads")
                await self._lead()
                log.warning("dispatch.follows")
        finally:
            leadership.resign()

    def _new_plan(self) -> Plan:
        rules, ladder, ways, _ = self._office
        return Plan(self._terms, rules, ladder, ways, self._random)

    async def _lead(self) -> None:
        """Work until the lock is lost; calls under way are left to the successor."""
        self._is_leading = True
        try:
            async with asyncio.TaskGroup() as group:
                work = [group.create_task(_forever(duty)) for duty in (self._work, *self._duties)]
                await self._desk.leadership.lose()
                for task in work:
                    task.cancel()
        finally:
            self._is_leading = False
            self._desk.outlook.stop_telling()
            self._plan.figures.clear()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as calls:
            calls.create_task(self._tell())
            is_taken_over = False
            while True:
                try:
                    if not is_taken_over:
                        await self._take_over()
                        is_taken_over = True
                    await self._turn(calls)
                except Overloaded:
                    # What of the turn is durable is not known: read all of it again.
                    is_taken_over = False
                    await asyncio.sleep(LOOK_S)
                await self._rest()

    async def _rest(self) -> None:
        """Until there is something to do, or it is time to look."""
        now_s = asyncio.get_running_loop().time()
        rest_s = min(LOOK_S, max(GATHER_S, self._plan.router.next_at_s(now_s) - now_s))
        try:
            async with asyncio.timeout(rest_s):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_S)

    async def _turn(self, calls: asyncio.TaskGroup) -> None:
        self._woken.clear()
        await self._write_answers()
        await self._read_orders()
        await self._read_news()
        now = self._desk.clock.now()
        self._plan.offer_due(now)
        await self._begin(calls, now)

    async def _take_over(self) -> None:
        """Begin where the last dispatcher ended, or this one before the database was lost: what
        has left since is not to leave twice."""
        await self._calls.end(CALLS_S)
        await self._write_answers()
        now = self._desk.clock.now()
        self._ordered.clear()
        live = timedelta(seconds=QUEUED_S + 2 * self._office.rules.code_validity_s)
        self._plan = self._new_plan()
        async with self._desk.database.connection() as connection:
            snapshot = await sends.read_snapshot(connection)
            ids = await sends.unfinished(connection, now - live)
        if snapshot is not None:
            self._plan.router.restore(_decode(snapshot), asyncio.get_running_loop().time())
        for start in range(0, len(ids), READ_MAX):
            some = ids[start : start + READ_MAX]
            async with self._desk.database.connection() as connection:
                await sends.abandon(connection, some, now, DIED)
                self._plan.take(await challenges.find_many(connection, some), now)
        self._read_to = self._news_to = now
        log.info("dispatch.taken_over", challenges=len(self._plan.orders))

    def note_order(self, challenge: Challenge) -> None:
        """A newcomer of this process wants a code."""
        if self._is_leading and not challenge.is_inbound_only:
            self._ordered.append(challenge)
            self._woken.set()

    async def _read_orders(self) -> None:
        """What newcomers have ordered since: at once what was ordered in this process."""
        now_s = asyncio.get_running_loop().time()
        own, self._ordered = self._ordered, []
        self._plan.take(own, self._desk.clock.now())
        if now_s < self._orders_read_s + LOOK_S:
            return
        self._orders_read_s = now_s
        since = self._read_to - LOOK_BACK
        known = self._plan.orders.without_handoff(since)
        async with self._desk.database.connection() as connection:
            found = await sends.queued(connection, since, known, READ_MAX)
        self._plan.take(found, self._desk.clock.now())
        self._read_to = max([self._read_to, *(item.created_at for item in found)])
        if len(found) >= READ_MAX:
            self._orders_read_s = 0.0

    async def _read_news(self) -> None:
        """What newcomers and carriers have done since."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._news_read_s + NEWS_S:
            return
        self._news_read_s = now_s
        since = self._news_to - LOOK_BACK
        orders, now = self._plan.orders, self._desk.clock.now()
        async with self._desk.database.connection() as connection:
            told = await sends.news(connection, since)
            news = [item for item in told if self._heard.get((item.challenge, 0)) != item.at]
            forgotten = [
                item.challenge for item in news if item.wants_voice and item.challenge not in orders
            ]
            found = await challenges.find_many(connection, forgotten) if forgotten else []
            receipts = await sends.delivered(connection, since)
        self._plan.take(found, now)
        for item in news:
            self._plan.hear(item, now)
            self._note_heard(item.challenge, 0, item.at)
        for receipt in receipts:
            if self._heard.get((receipt.challenge, receipt.number)) != receipt.at:
                self._plan.router.note_receipt(receipt.provider, ReceiptState(receipt.state))
                self._note_heard(receipt.challenge, receipt.number, receipt.at)
        before = self._news_to - 2 * LOOK_BACK
        self._heard = {key: at for key, at in self._heard.items() if at > before}

    def _note_heard(self, challenge: ChallengeId, number: int, at: datetime) -> None:
        self._heard[challenge, number] = at
        self._news_to = max(self._news_to, at)

    async def _begin(self, calls: asyncio.TaskGroup, now: datetime) -> None:
        """What may leave: written down in one statement, then called."""
        picked = self._plan.pick(now)
        if not picked:
            return
        async with self._desk.database.connection() as connection:
            await self._leave_to_devices(connection, picked)
            beginnings = [item.beginning for item in picked.values()]
            begun = await sends.begin(connection, beginnings, self._office.rules)
            others = [key for key in picked if key not in begun]
            found = await challenges.find_many(connection, others) if others else []
        for challenge in found:
            self._plan.forbid(picked[challenge.challenge], challenge, now)
        for key, handoffs in begun.items():
            call = self._plan.begin(picked[key], handoffs)
            if call is None:
                continue
            if call.provider == DEVICE:
                calls.create_task(self._wait_for_device(call))
            else:
                calls.create_task(self._calls.make(call, self._note_answer))

    async def _leave_to_devices(self, tx: Tx, picked: dict[ChallengeId, Picked]) -> None:
        """First texts that can wait: a device of the owner, who is online, has been asked."""
        wanted = {
            key: order.challenge
            for key, item in picked.items()
            if item.is_first_text and (order := self._plan.orders.find(key)) is not None
        }
        for key in await self._desk.devices.of(tx, wanted):
            picked[key] = self._plan.leave_to_device(picked[key])

    async def _wait_for_device(self, call: Call) -> None:
        """Answered after as long as a provider takes."""
        waited = self._desk.clock.now() - call.began_at
        await asyncio.sleep(max(0.0, self._desk.devices.pause_s() - waited.total_seconds()))
        outcome = Outcome(kind=OutcomeClass.ACCEPTED, answer="asked", cost=0)
        metrics.SIGNUP_HANDOFFS.labels(
            DEVICE, call.challenge.operator, call.kind, str(outcome.kind)
        ).inc()
        self._note_answer(Answer(call, outcome, self._desk.clock.now()))

    def _note_answer(self, answer: Answer) -> None:
        self._plan.end(answer, self._desk.clock.now())
        call = answer.call
        if call.number == 1 and call.provider != DEVICE:
            took = answer.at - call.began_at
            self._desk.devices.note_text(
                took.total_seconds(), is_taken=answer.outcome.kind is OutcomeClass.ACCEPTED
            )
        self._answers.append(answer)
        self._woken.set()

    async def _write_answers(self) -> None:
        if not self._answers:
            return
        answers = list(self._answers)
        async with self._desk.database.connection() as connection:
            versions = await sends.answer(connection, [_row(answer) for answer in answers])
        for answer in answers:
            self._answers.popleft()
            if answer.outcome.is_taken:
                agreed = self._costs.get(answer.call.provider, 0)
                self._on_sent(agreed if answer.outcome.cost is None else answer.outcome.cost)
        self._tell_watchers(versions)

    def _tell_watchers(self, versions: Mapping[ChallengeId, int]) -> None:
        """At once where the challenge is known here as it stands; else it is looked up."""
        unknown = []
        for key, version in versions.items():
            challenge = self._plan.note_version(key, version)
            if challenge is None:
                unknown.append(key)
            else:
                self._desk.watching.tell(challenge)
        self._desk.watching.note_changed(unknown)

    async def _tell(self) -> None:
        """Each second: the prospect, for newcomers, and what was learned, for a successor."""
        while True:
            plan, now_s = self._plan, asyncio.get_running_loop().time()
            may_enter_per_s = plan.may_enter_per_s()
            outlook = self._desk.outlook.tell(plan.prospect(), plan.first_sends, may_enter_per_s)
            snapshot = _encode(plan.router.snapshot(now_s))
            plan.measure()
            try:
                async with self._desk.database.connection() as connection:
                    await sends.write_dispatch(
                        connection, self._desk.clock.now(), outlook, snapshot
                    )
            except Overloaded:
                log.warning("dispatch.not_told")
            await asyncio.sleep(TELL_S)


async def _forever(duty: Callable[[], Awaitable[None]]) -> None:
    await duty()


def _row(answer: Answer) -> sends.Answered:
    outcome = answer.outcome
    return sends.Answered(
        challenge=answer.call.challenge.challenge,
        number=answer.call.number,
        outcome=str(outcome.kind),
        answer=outcome.answer,
        message_id=outcome.message_id,
        cost=outcome.cost,
        answered_at=answer.at,
    )
