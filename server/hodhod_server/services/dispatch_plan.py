"""What the dispatcher has in mind: the orders, the router, and what either means for the other.

No waiting and no I/O. Always true: an order is in the router's queue at most once; what is over is
in neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

import msgspec

from hodhod_server.domain.challenges import DEVICE, AcceptedBy, Challenge, ChallengeRules, Send
from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import LadderRules, SendKind, Way, Ways
from hodhod_server.services.device_first import has_only_asked
from hodhod_server.services.dispatch_calls import Answer, Call
from hodhod_server.services.dispatch_figures import Figures
from hodhod_server.services.dispatch_orders import Order, Orders
from hodhod_server.services.outlook import Prospect
from hodhod_server.sms.choice import Choice
from hodhod_server.sms.dispatch_queue import Wanted
from hodhod_server.sms.provider import Channel, Outcome, OutcomeClass, Terms
from hodhod_server.sms.router import Router
from hodhod_server.sms.router_rules import RouterRules
from hodhod_server.store.sends import Beginning, News
from hodhod_server.telemetry import metrics

PUT_OFF_S: Final = 1.0  # no room in the queue, or in the hedge budget
LIMITED_S: Final = 60.0  # a number that has had enough: when to ask again
# A turn takes so long. Sends that would have to wait for the next are made at their moment instead:
# of 130 a second in three contracts 124 left while turns decided when.
AHEAD_S: Final = 0.1
DOWN_S: Final = 10.0  # nobody takes anything: thousands ask again no sooner
TRIERS_MAX: Final = 50  # who tries meanwhile
TROUBLE_WAIT_S: Final = 60.0  # a wait in which people leave
ASKED: Final = "the owner is online on another device, which was asked; the text follows"
_words = msgspec.json.Encoder().encode


class Picked(msgspec.Struct, frozen=True):
    """A hand-off that the router chose, about to be written down."""

    wanted: Wanted
    choice: Choice
    beginning: Beginning
    is_first_text: bool = False
    """Nothing was sent so far, and a device of the owner may be asked instead."""


class Plan:
    """The memory of one dispatcher."""

    def __init__(
        self,
        terms: Sequence[Terms],
        rules: ChallengeRules,
        ladder: LadderRules,
        ways: Ways,
        random: Random,
    ) -> None:
        self._terms = {item.name: item for item in terms}
        self._usual_ways = ways
        router_rules = RouterRules(hedge_after_s=ladder.hedge_s)
        self.router = Router(terms, router_rules, random)
        self.orders = Orders(rules, ladder)
        self.first_sends = 0
        self.figures = Figures(terms, timedelta(seconds=2 * rules.code_validity_s))

    def open_ways(self) -> Ways:
        """What newcomers may hope for now. Orders go by all there are: a road that is closed now
        may be open when their turn comes."""
        wait_s, _ = self.router.wait_s(Channel.SMS)
        return msgspec.structs.replace(
            self._usual_ways,
            sms_domains=self.router.domains(Channel.SMS),
            voice_domains=self.router.domains(Channel.VOICE),
            is_in_trouble=self.router.is_incident
            or self.router.is_down(Channel.SMS)
            or wait_s > TROUBLE_WAIT_S,
        )

    def prospect(self) -> Prospect:
        """What newcomers are told. Of an outage nobody knows the end."""
        is_known = self._usual_ways.sms_domains and not self._all_write_to_us
        wait_s = self.router.wait_s(Channel.SMS) if is_known else None
        return Prospect(wait_s, self.open_ways())

    def may_enter_per_s(self) -> float:
        """For how many in a second there is something to be had: mostly texts."""
        if self._all_write_to_us:
            return self.router.agreed_per_s(Channel.SMS)
        return self.router.rate_per_s(Channel.SMS)

    @property
    def _all_write_to_us(self) -> bool:
        """No text leaves, and none is needed."""
        return self._usual_ways.takes_messages and self.router.is_down(Channel.SMS)

    def measure(self) -> None:
        """Show how things stand in the metrics."""
        self.figures.show(self.router, len(self.orders))

    def take(self, found: Sequence[Challenge], now: datetime) -> None:
        """Challenges that are new here."""
        for challenge in found:
            if challenge.challenge not in self.orders:
                self.figures.take(challenge)
                self.orders.add(challenge, self._usual_ways, now)

    def hear(self, news: News, now: datetime) -> None:
        """What a newcomer did."""
        key, now_s = news.challenge, _loop_s()
        order = self.orders.find(key)
        if news.seen_at is not None:
            self.router.note_seen(key, now_s)
            self.figures.note_seen(key)
        if news.is_over or news.seen_at is not None:
            if news.is_over and news.accepted_by == AcceptedBy.CODE:
                self.router.note_verified(key, now_s)
                self.figures.note_verified(key, news.at)
            self.router.withdraw(key, now_s)
            self.orders.drop(key)
        elif order is not None:
            order.challenge = msgspec.structs.replace(
                order.challenge, voice_wanted_at=news.voice_wanted_at
            )
            self.orders.plan(key, self._usual_ways, now)

    def offer_due(self, now: datetime) -> None:
        """Give the router what is due."""
        now_s = now.timestamp()
        may_hedge = True
        down = {channel for channel in Channel if self.router.is_down(channel)}
        for order in list(self.orders.due(now_s)):
            if down and self._has_triers(order, down):
                self.orders.put_off(order, now_s + DOWN_S)
                continue
            if not may_hedge and _is_hedge(order):
                self.orders.put_off(order, now_s + PUT_OFF_S)
                continue
            self.orders.plan(order.challenge.challenge, self._usual_ways, now)
            if order.step is None or order.step.at_s > now_s:
                continue
            if not self._offer(order):
                may_hedge = may_hedge and not _is_hedge(order)
                self.orders.put_off(order, now_s + PUT_OFF_S)

    def pick(self, now: datetime) -> dict[ChallengeId, Picked]:
        """What may leave in this turn, at most one for each challenge."""
        picked: dict[ChallengeId, Picked] = {}
        for wanted, choice in self.router.next(_loop_s(), AHEAD_S):
            key = ChallengeId(wanted.key)
            order = self.orders.find(key)
            if order is None or key in picked:
                self._spare(choice)
            elif self.orders.is_over(order, now):
                self._spare(choice)
                self.orders.drop(key)
            else:
                picked[key] = Picked(
                    wanted,
                    choice,
                    _beginning(order, wanted, choice, now),
                    is_first_text=not order.challenge.sends
                    and not order.challenge.text_at_once
                    and wanted.channel is Channel.SMS,
                )
        return picked

    def leave_to_device(self, picked: Picked) -> Picked:
        """The number's own devices stand in for the first text."""
        self._spare(picked.choice)
        reason = msgspec.structs.replace(picked.choice.reason, candidates=(), words=ASKED)
        own = msgspec.structs.replace(
            picked.beginning, provider=DEVICE, reason=_words(reason).decode()
        )
        return msgspec.structs.replace(picked, beginning=own)

    def begin(self, picked: Picked, handoffs: tuple[datetime, ...]) -> Call | None:
        """It is written down. None: the challenge ended meanwhile, and the hand-off is void."""
        beginning = picked.beginning
        order = self.orders.find(beginning.challenge)
        if order is None:
            self._give_back(picked)
            return None
        self.first_sends += beginning.kind == SendKind.FIRST
        send = Send(
            at=beginning.began_at,
            way=Way(beginning.channel),
            outcome=None,
            provider=beginning.provider,
        )
        if beginning.kind == SendKind.FIRST:
            wait = beginning.began_at - order.challenge.created_at
            metrics.SIGNUP_QUEUE_SECONDS.labels(beginning.channel).observe(wait.total_seconds())
        order.begin(handoffs, send)
        return Call(
            challenge=order.challenge,
            number=beginning.number,
            provider=beginning.provider,
            kind=beginning.kind,
            send=picked.choice.send,
            began_at=beginning.began_at,
            leaves_at_s=picked.choice.leaves_at_s,
        )

    def forbid(self, picked: Picked, challenge: Challenge, now: datetime) -> None:
        """It may not begin: the challenge is over, or its number has had enough."""
        self._give_back(picked)
        order = self.orders.find(challenge.challenge)
        if order is not None:
            metrics.SIGNUP_PUT_OFF.labels("number_limit").inc()
            order.is_offered = False
            order.challenge = msgspec.structs.replace(challenge, sends=order.challenge.sends)
            order.free_at_s = now.timestamp() + LIMITED_S
            self.orders.plan(challenge.challenge, self._usual_ways, now)

    def end(self, answer: Answer, now: datetime) -> None:
        """A provider has answered; what follows is planned at once."""
        call = answer.call
        is_text = call.provider != DEVICE
        if is_text:
            self.router.note_outcome(call.send, answer.outcome, _loop_s())
        if is_text and answer.outcome.is_taken:
            self.figures.note_taken(call.challenge, call.challenge.sends[call.number - 1])
        order = self.orders.find(call.challenge.challenge)
        if order is not None and call.number <= len(order.challenge.sends):
            order.end(call.number, str(answer.outcome.kind))
            self.orders.plan(call.challenge.challenge, self._usual_ways, now)

    def note_version(self, key: ChallengeId, version: int) -> Challenge | None:
        """Answers were written down as this version: how the challenge stands. None where others
        came between: they may say what is not known here, now and ever after."""
        order = self.orders.find(key)
        if order is None or version != order.challenge.version + 1:
            return None
        order.challenge = msgspec.structs.replace(order.challenge, version=version)
        return order.challenge

    def _has_triers(self, order: Order, down: set[Channel]) -> bool:
        """Is it for others to find out whether anybody takes something again?"""
        channel = None if order.step is None else Channel(order.step.way)
        return channel in down and self.router.waiting(channel) >= TRIERS_MAX

    def _offer(self, order: Order) -> bool:
        now_s, step, challenge = _loop_s(), order.step, order.challenge
        assert step is not None
        if _is_hedge(order) and not self.router.may_hedge(now_s):
            metrics.SIGNUP_PUT_OFF.labels("hedge_budget").inc()
            return False
        used = [self._terms.get(send.provider) for send in challenge.sends]
        wanted = Wanted(
            key=challenge.challenge,
            channel=Channel(step.way),
            # After a device was asked, what is planned as a second text is the first one.
            kind=SendKind.FIRST if has_only_asked(challenge) else step.kind,
            source=challenge.source,
            operator=challenge.operator,
            client=ClientKind(challenge.client),
            avoid=frozenset(terms.failure_domain for terms in used if terms is not None),
        )
        order.is_offered = self.router.offer(wanted, now_s)
        if not order.is_offered:
            metrics.SIGNUP_PUT_OFF.labels("queue_full").inc()
        return order.is_offered

    def _give_back(self, picked: Picked) -> None:
        if picked.beginning.provider != DEVICE:
            self._spare(picked.choice)

    def _spare(self, choice: Choice) -> None:
        """Not sent after all: an answer that says nothing about the provider."""
        self.router.note_outcome(choice.send, Outcome(kind=OutcomeClass.RECIPIENT), _loop_s())


def _beginning(order: Order, wanted: Wanted, choice: Choice, now: datetime) -> Beginning:
    return Beginning(
        challenge=order.challenge.challenge,
        number=len(order.challenge.sends) + 1,
        provider=choice.provider,
        channel=str(wanted.channel),
        kind=str(SendKind.HEDGE if has_only_asked(order.challenge) else wanted.kind),
        reason=_words(choice.reason).decode(),
        began_at=order.next_moment(now),
    )


def _is_hedge(order: Order) -> bool:
    """Is a second text due, which the budget is about?"""
    step = order.step
    is_second = step is not None and step.kind is SendKind.HEDGE
    return is_second and not has_only_asked(order.challenge)


def _loop_s() -> float:
    return asyncio.get_running_loop().time()
