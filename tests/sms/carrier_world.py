"""A surge of newcomers against simulated carriers, on a virtual clock, with the real router.

    python -m tests.sms.carrier_world --case healthy --users 60000

Users arrive at the rates of 60,000 in ten minutes, 60 % of them in the first third; fewer users
make a shorter surge of the same height. They type a code 5 to 12 s after it came, ask for a call
when one is offered, and send us a text when that is named first. The server learns of a typed code
at the next whole second, as the dispatcher does.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final

import msgspec

from hodhod_server.domain.ladder import (
    Fate,
    Handoff,
    Progress,
    SendKind,
    Step,
    Way,
    Ways,
    next_step,
)
from hodhod_server.sms.breaker import Health
from hodhod_server.sms.choice import Choice
from hodhod_server.sms.dispatch_queue import Wanted
from hodhod_server.sms.provider import Channel, OutcomeClass
from hodhod_server.sms.router import Router
from tests.sms.carriers import CASES, SURGE_S, SURGE_USERS, CarrierState, Case

FATES: Final = {
    OutcomeClass.ACCEPTED: Fate.TAKEN,
    OutcomeClass.AMBIGUOUS: Fate.DOUBTFUL,
    OutcomeClass.RECIPIENT: Fate.UNREACHABLE,
    OutcomeClass.FRAUD: Fate.SUSPECT,
}
PUMP_S: Final = 0.005
DRAIN_S: Final = 660.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the newcomers lived through, and what it cost."""

    users: int
    p50_s: float
    p95_s: float
    p99_s: float
    in_hand_in_two_minutes: float
    in_two_minutes: float
    in_ten_minutes: float
    sms_per_success: float
    calls: int
    messages: int
    hedges: int
    opened: tuple[tuple[str, float], ...]
    incident_at_s: float | None
    longest_wait_s: float

    def line(self) -> str:
        """One row of a table."""
        opened = ", ".join(f"{name} {at_s:.0f} s" for name, at_s in self.opened[:4])
        return (
            f"| {self.p50_s:.1f} | {self.p95_s:.1f} | {self.p99_s:.1f}"
            f" | {self.in_hand_in_two_minutes:.3%} | {self.in_two_minutes:.3%}"
            f" | {self.in_ten_minutes:.3%}"
            f" | {self.sms_per_success:.2f} | {self.calls} | {self.messages}"
            f" | {self.longest_wait_s:.1f} | {opened or '–'} |"
        )


class Newcomer:
    """Somebody waiting for a code."""

    __slots__ = (
        "domains",
        "handoffs",
        "in_hand_s",
        "is_deaf",
        "key",
        "offered_s",
        "planned_s",
        "queued",
        "started_s",
        "verified_s",
        "voice_asked_s",
    )

    def __init__(self, key: str, started_s: float, *, is_deaf: bool) -> None:
        self.key = key
        self.started_s = started_s
        self.is_deaf = is_deaf
        self.handoffs: list[Handoff] = []
        self.domains: set[str] = set()
        self.queued: set[Way] = set()
        self.offered_s = 0.0
        self.planned_s = math.inf
        self.voice_asked_s: float | None = None
        self.in_hand_s = math.inf
        self.verified_s = math.inf


class World:
    """Time, carriers, newcomers, and the router between them."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case = case
        self.random = Random(seed)
        self.router = Router([item.terms for item in case.carriers], case.rules, Random(seed + 1))
        self.carriers = {item.name: CarrierState(item, self.random) for item in case.carriers}
        self.now_s = 0.0
        self.users: list[Newcomer] = []
        self.sms = self.calls = self.messages = self.hedges = 0
        self.longest_wait_s = 0.0
        self.opened: list[tuple[str, float]] = []
        self.incident_at_s: float | None = None
        self._dead: set[str] = set()
        self._by_key: dict[str, Newcomer] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._pump_s = math.inf

    def at(self, at_s: float, action: Callable[[], None]) -> None:
        """Do it then."""
        heapq.heappush(self._events, (at_s, next(self._numbers), action))

    def run(self, starts_s: Sequence[float]) -> Report:
        """Let everybody start, and go on until nothing can happen any more."""
        for number, start_s in enumerate(starts_s):
            self.at(start_s, partial(self._start, number))
        self._watch(starts_s[-1] + 60.0)
        while self._events:
            self.now_s, _, action = heapq.heappop(self._events)
            action()
        return self.report()

    def report(self) -> Report:
        """What has been lived through."""
        waits = sorted(user.in_hand_s - user.started_s for user in self.users)
        done = sorted(user.verified_s - user.started_s for user in self.users)
        succeeded = sum(math.isfinite(item) for item in done)
        return Report(
            users=len(waits),
            p50_s=waits[len(waits) // 2],
            p95_s=waits[int(len(waits) * 0.95)],
            p99_s=waits[int(len(waits) * 0.99)],
            in_hand_in_two_minutes=sum(item <= 120.0 for item in waits) / len(waits),
            in_two_minutes=sum(item <= 120.0 for item in done) / len(done),
            in_ten_minutes=sum(item <= 600.0 for item in done) / len(done),
            sms_per_success=self.sms / max(1, succeeded),
            calls=self.calls,
            messages=self.messages,
            hedges=self.hedges,
            opened=tuple(self.opened),
            incident_at_s=self.incident_at_s,
            longest_wait_s=self.longest_wait_s,
        )

    def _start(self, number: int) -> None:
        is_deaf = self.random.random() < self.case.deaf
        user = Newcomer(f"c{number}", self.now_s, is_deaf=is_deaf)
        self.users.append(user)
        self._by_key[user.key] = user
        self._plan(user)
        if self.case.is_impatient:
            self.at(self.now_s + 5.0, lambda: self._tap(user))

    def _tap(self, user: Newcomer) -> None:
        """ "Send again": the plan is looked at once more."""
        if user.in_hand_s > self.now_s and self.now_s < user.started_s + 600.0:
            self._plan(user)
            self.at(self.now_s + 5.0, lambda: self._tap(user))

    def _plan(self, user: Newcomer) -> None:
        if user.verified_s <= self.now_s:
            return
        router = self.router
        ways = Ways(
            sms_domains=router.domains(Channel.SMS),
            voice_domains=router.domains(Channel.VOICE),
            takes_messages=self.case.takes_messages,
            is_in_trouble=router.is_incident,
        )
        progress = Progress(
            started_at_s=user.started_s,
            handoffs=user.handoffs,
            voice_asked_at_s=user.voice_asked_s,
        )
        step = next_step(progress, ways, self.case.ladder)
        if step is None or step.way in user.queued:
            return
        if step.at_s > self.now_s:
            self._plan_later(user, step.at_s)
        elif step.kind is SendKind.HEDGE and not router.may_hedge(self.now_s):
            self._plan_later(user, self.now_s + (10.0 if router.is_incident else 1.0))
        else:
            self._offer(user, step)

    def _plan_later(self, user: Newcomer, at_s: float) -> None:
        if self.now_s < user.planned_s <= at_s:
            return
        user.planned_s = at_s
        self.at(at_s, lambda: self._plan(user))

    def _offer(self, user: Newcomer, step: Step) -> None:
        wanted = Wanted(
            key=user.key,
            channel=Channel(step.way),
            kind=step.kind,
            source=hash(user.key),
            avoid=frozenset(user.domains),
        )
        if not self.router.offer(wanted, self.now_s):
            self._plan_later(user, self.now_s + 5.0)
            return
        user.queued.add(step.way)
        user.offered_s = self.now_s
        self._pump()

    def _pump(self) -> None:
        for wanted, choice in self.router.next(self.now_s):
            self._hand_over(self._by_key[wanted.key], wanted, choice)
        due_s = self.router.next_at_s(self.now_s)
        if math.isfinite(due_s) and not self.now_s < self._pump_s <= due_s:
            self._pump_s = max(due_s, self.now_s + PUMP_S)
            self.at(self._pump_s, self._pump)

    def _hand_over(self, user: Newcomer, wanted: Wanted, choice: Choice) -> None:
        way = Way(wanted.channel)
        is_first = not user.handoffs
        user.queued.discard(way)
        user.domains.add(choice.failure_domain)
        number = len(user.handoffs)
        user.handoffs.append(Handoff(at_s=self.now_s, way=way, fate=Fate.UNDER_WAY))
        self.longest_wait_s = max(self.longest_wait_s, self.now_s - user.offered_s)
        self.hedges += wanted.kind is SendKind.HEDGE
        carrier = self.carriers[choice.provider]
        answer_s = self.now_s + carrier.law.answer_s * (0.5 + self.random.random())
        self.at(answer_s, lambda: self._answer(user, number, choice, carrier))
        if is_first:
            self.at(self.now_s + self.case.ladder.voice_s, lambda: self._ask_for_call(user))
            message_s = self.now_s + self.case.ladder.message_first_s
            self.at(message_s, lambda: self._send_message(user))

    def _answer(self, user: Newcomer, number: int, choice: Choice, carrier: CarrierState) -> None:
        outcome = carrier.answer(self.now_s)
        self.router.note_outcome(choice.send, outcome, self.now_s)
        way = user.handoffs[number].way
        fate = FATES.get(outcome.kind, Fate.REFUSED)
        at_s = self.now_s if fate is Fate.REFUSED else user.handoffs[number].at_s
        user.handoffs[number] = Handoff(at_s=at_s, way=way, fate=fate)
        if outcome.is_taken:
            if way is Way.SMS:
                self.sms += 1
            else:
                self.calls += 1
            arrival_s = self.now_s + carrier.arrival_s(self.now_s)
            if math.isfinite(arrival_s) and not (user.is_deaf and way is Way.SMS):
                self.at(arrival_s, lambda: self._arrive(user))
        self._plan(user)
        self._pump()

    def _arrive(self, user: Newcomer) -> None:
        if self.now_s < user.in_hand_s:
            user.in_hand_s = self.now_s
            entry_s = 5.0 + 7.0 * self.random.random()
            self.at(self.now_s + entry_s, lambda: self._verify(user))

    def _verify(self, user: Newcomer) -> None:
        if math.isfinite(user.verified_s):
            return
        user.verified_s = self.now_s
        user.in_hand_s = min(user.in_hand_s, self.now_s)
        told_s = math.floor(self.now_s) + 1.0
        self.at(told_s, lambda: self.router.note_verified(user.key, self.now_s))

    def _ask_for_call(self, user: Newcomer) -> None:
        if user.in_hand_s > self.now_s:
            user.voice_asked_s = self.now_s
            self._plan(user)

    def _send_message(self, user: Newcomer) -> None:
        """Their text to us; who fails tries once more after two minutes."""
        if user.in_hand_s <= self.now_s or not self.case.takes_messages:
            return
        self.messages += 1
        if self.random.random() < self.case.message_success:
            self.at(self.now_s + 8.0 + 8.0 * self.random.random(), lambda: self._verify(user))
        elif self.now_s < user.started_s + 400.0:
            self.at(self.now_s + 120.0, lambda: self._send_message(user))

    def _watch(self, until_s: float) -> None:
        """Note each second which breakers opened."""
        for state in self.router.states():
            is_dead = state.health is Health.DEAD
            if is_dead and state.provider not in self._dead:
                self.opened.append((state.provider, self.now_s))
            (self._dead.add if is_dead else self._dead.discard)(state.provider)
        if self.router.is_incident and self.incident_at_s is None:
            self.incident_at_s = self.now_s
        if self.now_s < until_s:
            self.at(self.now_s + 1.0, lambda: self._watch(until_s))


def surge_starts(users: int, random: Random) -> list[float]:
    """60 % in the first third, at the rates of 60,000 in ten minutes."""
    duration_s = SURGE_S * users / SURGE_USERS
    third_s = duration_s / 3
    return sorted(
        random.random() * third_s
        if random.random() < 0.6
        else third_s + random.random() * 2 * third_s
        for _ in range(users)
    )


def live_through(case: Case, users: int, seed: int = 1) -> Report:
    """One surge."""
    return World(case, seed).run(surge_starts(users, Random(seed + 2)))


def main() -> None:
    """Print rows of the table in docs/explanation/code-routing.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--users", type=int, default=6_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names = list(CASES) if arguments.case == "all" else [arguments.case]
    for name in names:
        report = live_through(CASES[name], arguments.users, arguments.seed)
        sys.stdout.write(f"| {name} {report.line()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
