"""Codes over a line of our own to an operator's SMSC (SMPP 3.4).

Nothing queues here. A line that is down says so at once, so the code leaves by another provider; a
line whose window stays full says `THROTTLED`; silence for `SEND_S` is `AMBIGUOUS`, since the SMSC
may have sent the text all the same.

Receipts and people's texts come over the same line. Each is confirmed once it is in the queue to
the listener, and refused while that queue is full, so the SMSC brings it again. A receipt that
overtakes the answer to its message waits for it: only the answer tells the message's id.

Of several processes the one that dispatches holds the line (`hold_line`). What had come before it
was let go is handed on all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import msgspec
from aiosmpplib import NPI, TON, PhoneNumber, SubmitSm

from hodhod_server.domain.errors import PhoneInvalid
from hodhod_server.domain.phone import Phone, parse_phone
from hodhod_server.settings.line_providers import SmppSettings
from hodhod_server.sms.arrival_queue import ArrivalQueue
from hodhod_server.sms.provider import (
    SEND_S,
    CodeMessage,
    Inbound,
    Listener,
    Outcome,
    OutcomeClass,
    Receipt,
    Terms,
)
from hodhod_server.sms.sending_window import SendingWindow, WindowFull
from hodhod_server.sms.smpp_line import Flight, LineLost, SmppLine
from hodhod_server.sms.smpp_pdus import TON_INTERNATIONAL, Answer, Delivery, read_delivery
from hodhod_server.sms.smpp_receipts import MessageIds, read_receipt
from hodhod_server.sms.smpp_statuses import REFUSALS_OF_BIND, kind_of
from hodhod_server.sms.smpp_texts import LongTexts, decode_text
from hodhod_server.telemetry import logs, metrics

EARLY_MAX: Final = 1000
LOOK_S: Final = 0.5
TAKEN_UP_S: Final = 2.0  # a code that leaves right after a take-over waits so long for the bind
THROTTLED_S: Final = 1.0  # what to wait after a refusal: SMSCs count by the second
log = logs.get("smpp")


class Smpp:
    """One line. `hold_line` keeps it bound, `run` hands on what comes."""

    def __init__(
        self, settings: SmppSettings, terms: Terms, listener: Listener, dice: random.Random
    ) -> None:
        self.terms = terms
        self.window = SendingWindow(terms.rate_per_s, terms.in_flight_max)
        self._settings = settings
        self._special = {
            int(status, 16): OutcomeClass(kind) for status, kind in settings.statuses.items()
        }
        self._line = SmppLine(settings, self._take, dice)
        self._arrivals = ArrivalQueue(terms.name, listener, settings.arrivals_max)
        self._ids = MessageIds()
        self._early: deque[tuple[float, Receipt]] = deque()
        self._texts = LongTexts()

    @property
    def is_bound(self) -> bool:
        """Is the line up?"""
        return self._line.is_bound

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._arrivals.run())
                tasks.create_task(self._look_after())
        finally:
            metrics.LINES_UP.labels(self.terms.name).set(0)

    async def hold_line(self) -> None:
        await self._line.run()

    async def send(self, message: CodeMessage) -> Outcome:
        if not isinstance(message.to, Phone):
            return Outcome(kind=OutcomeClass.RECIPIENT, answer="no number")
        if not await self._line.is_ready(TAKEN_UP_S):
            return self._unbound()
        flight = Flight(self._pdu(message, message.to))
        try:
            async with asyncio.timeout(SEND_S), self.window.place():
                return await self._exchange(flight)
        except WindowFull:
            return Outcome(
                kind=OutcomeClass.THROTTLED, answer="window full", retry_after_s=THROTTLED_S
            )
        except (LineLost, TimeoutError):
            if flight.is_written:
                return Outcome(kind=OutcomeClass.AMBIGUOUS, answer="no answer")
            return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer="not written")

    async def _exchange(self, flight: Flight) -> Outcome:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        answer = await self._line.submit(flight)
        self.window.note_round_trip(loop.time() - began_s)
        return self._judge(answer)

    def _judge(self, answer: Answer) -> Outcome:
        kind = kind_of(answer.status, self._special)
        if kind is OutcomeClass.ACCEPTED and answer.message_id:
            self._ids.add(answer.message_id)
            self._hand_on_early()
        return Outcome(
            kind=kind,
            message_id=answer.message_id or None,
            answer=f"status {answer.status:#06x}",
            retry_after_s=THROTTLED_S if kind is OutcomeClass.THROTTLED else None,
        )

    def _unbound(self) -> Outcome:
        refused_by = self._line.refused_by
        if refused_by in REFUSALS_OF_BIND:
            return Outcome(kind=OutcomeClass.CONFIG, answer=f"bind {refused_by:#06x}")
        return Outcome(kind=OutcomeClass.PROVIDER_FAULT, answer="not bound")

    def _pdu(self, message: CodeMessage, to: Phone) -> SubmitSm:
        own = self._settings
        return SubmitSm(
            log_id=message.reference,
            short_message=message.text,
            source=PhoneNumber(own.source, TON(own.source_ton), NPI(own.source_npi)),
            destination=PhoneNumber(to.e164.removeprefix("+"), TON(own.to_ton), NPI(own.to_npi)),
            priority_flag=own.priority,
            registered_delivery=1,
            validity_period=timedelta(seconds=message.valid_s),
        )

    def _take(self, pdu: bytes) -> bool:
        """A `deliver_sm`. False asks the SMSC to bring it again; nonsense is not asked for."""
        if self._arrivals.is_full:
            return self._arrivals.refuse()
        try:
            delivery = read_delivery(pdu)
            if delivery.is_receipt:
                self._take_receipt(read_receipt(self.terms.name, delivery))
            else:
                self._take_text(delivery)
        except (ValueError, PhoneInvalid) as error:
            log.info("delivery.unreadable", provider=self.terms.name, why=type(error).__name__)
        return True

    def _take_receipt(self, receipt: Receipt) -> None:
        told = self._ids.find(receipt.message_id)
        if told is None and self._line.is_waiting_for_answers and len(self._early) < EARLY_MAX:
            self._early.append((asyncio.get_running_loop().time() + SEND_S, receipt))
            return
        self._hand_on(receipt, told)

    def _hand_on(self, receipt: Receipt, told: str | None) -> None:
        known = told or self._ids.guess(receipt.message_id)
        self._arrivals.offer(msgspec.structs.replace(receipt, message_id=known))

    def _hand_on_early(self) -> None:
        """Receipts whose answer has come meanwhile, or never will."""
        now_s = asyncio.get_running_loop().time()
        for _ in range(len(self._early)):
            until_s, receipt = self._early.popleft()
            told = self._ids.find(receipt.message_id)
            if told is None and now_s < until_s:
                self._early.append((until_s, receipt))
            else:
                self._hand_on(receipt, told)

    def _take_text(self, delivery: Delivery) -> None:
        octets = self._texts.join(delivery, asyncio.get_running_loop().time())
        if octets is None:
            return
        is_whole = delivery.sender_ton == TON_INTERNATIONAL and delivery.sender[:1].isdecimal()
        inbound = Inbound(
            provider=self.terms.name,
            sender=parse_phone(("+" if is_whole else "") + delivery.sender),
            line=delivery.line,
            text=decode_text(delivery.coding, octets, self._settings.alphabet),
        )
        self._arrivals.offer(inbound)

    async def _look_after(self) -> None:
        while True:
            metrics.LINES_UP.labels(self.terms.name).set(self._line.is_bound)
            if self._early:
                self._hand_on_early()
            await asyncio.sleep(LOOK_S)


@contextlib.asynccontextmanager
async def open_smpp(
    settings: SmppSettings, terms: Terms, listener: Listener, dice: random.Random
) -> AsyncIterator[Smpp]:
    """The provider, for the life of the block. Nothing is bound before `hold_line` runs."""
    provider = Smpp(settings, terms, listener, dice)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(provider.run(), name=terms.name)
        try:
            yield provider
        finally:
            running.cancel()
