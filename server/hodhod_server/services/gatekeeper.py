"""The gatekeeper: what stands between somebody who types a number and a text that costs money.

In this order, the cheapest first: a place in line that is shown, what was paid, the limits, the
price, the line. Nothing here touches the database, and nothing asks another process: what is known
of the others came with their last snapshot.

Always true: whoever is refused is told until when, whoever has to pay is told the price, whoever
has to wait is told how long; nobody is kept from texting us.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hodhod_server.domain.addresses import AnyAddress
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.counting import Forgetful
from hodhod_server.domain.errors import CountryNotServed, Overloaded, RateLimited
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.vouchers import find_voucher
from hodhod_server.services.newcomer_limits import NewcomerLimits, Source, Verdict
from hodhod_server.services.proof_of_work import Paid, ProofOfWork
from hodhod_server.services.text_budget import TextBudget
from hodhod_server.services.waiting_room import Turn, WaitingRoom
from hodhod_server.settings.door import DoorSettings
from hodhod_server.telemetry import metrics

_ANSWERS: Final = {
    name: metrics.DOOR_ANSWERS.labels(name)
    for name in ("let_in", "inbound_only", "priced", "waiting", "too_early", "refused", "abroad")
}
VOUCHERS_MAX: Final = 50_000


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks for a code, with what they bring along."""

    phone: Phone
    device_key: bytes | None = None
    address: AnyAddress | None = None
    ticket: str | None = None
    proof: str | None = None
    invite: str | None = None


class Admitted(msgspec.Struct, frozen=True):
    """They may start. `is_inbound_only`: no text may be sent, only received. `source`: for fair
    queueing, the same for all who share a network and a block of numbers."""

    source: int
    is_inbound_only: bool = False


class Gatekeeper:
    """Decides who may start a sign-up, when, and at what price."""

    def __init__(
        self,
        settings: DoorSettings,
        keys: Keys,
        clock: Clock,
        room: WaitingRoom,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._room = room
        self._limits = NewcomerLimits(settings, keys.door)
        self._proofs = ProofOfWork(settings, keys.proof)
        self._budget = TextBudget(settings.budget_per_day)
        self._vouched = Forgetful(VOUCHERS_MAX)

    @property
    def limits(self) -> NewcomerLimits:
        """The counts, for those who share them with other processes."""
        return self._limits

    @property
    def budget(self) -> TextBudget:
        """The money, likewise."""
        return self._budget

    async def admit(self, attempt: Attempt) -> Admitted | Turn:
        """They may start, or wait for their turn.

        Raises `RateLimited`, `ProofOfWorkRequired`, `CountryNotServed`, `TicketInvalid`,
        `Overloaded`.
        """
        now_s = self._now_s()
        holder = self._limits.holder(attempt.phone, attempt.device_key)
        if attempt.ticket is not None:
            turn = self._come_back(attempt.ticket, holder, now_s)
            if turn is not None:
                return turn
        elif attempt.invite is None:
            self._require_room(attempt)
        source = self._limits.source(attempt.phone, attempt.device_key, attempt.address)
        if attempt.ticket is not None:
            verdict = self._limits.judge(source, now_s)
            return self._let_in(source, self._is_inbound_only(verdict, now_s), now_s)
        return self._receive(attempt, source, holder, now_s)

    def find_overflow(self, phone: Phone, device_key: bytes | None) -> Overloaded | None:
        """What somebody is told who brings nothing along while the room is full. Next to nothing
        is done for it; who was let in a moment ago is not told so."""
        if not self._room.is_full() or self._limits.was_let_in(phone, device_key, self._now_s()):
            return None
        _ANSWERS["refused"].inc()
        return self._room.refusal()

    @property
    def is_room_full(self) -> bool:
        """Is there anybody whom `find_overflow` would refuse?"""
        return self._room.is_full()

    async def check_try(
        self, address: AnyAddress | None, challenge: str, proof: str | None
    ) -> None:
        """May a code be tried from there? Raises `ProofOfWorkRequired`, `Overloaded`."""
        now_s, use = self._now_s(), challenge.encode(errors="replace")
        level = self._limits.price_of_verifying(address, now_s)
        if level:
            self._charge(level, self._proofs.level_of(proof, use, now_s), use, now_s)

    def note_send(self, cost: int) -> None:
        """A text was handed over, for so much money."""
        self._budget.note(cost, self._now_s())

    def note_verified(self, phone: Phone) -> None:
        """This number has been proved."""
        self._limits.note_verified(phone, self._now_s())

    def note_welcome(self, address: AnyAddress | None) -> None:
        """Somebody at this address has proved their number."""
        self._limits.note_welcome(address, self._now_s())

    def note_wrong(self, address: AnyAddress | None) -> None:
        """A wrong code came from this address."""
        self._limits.note_wrong(address, self._now_s())

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    def _require_room(self, attempt: Attempt) -> None:
        """Before any price is named: nobody pays for a place that is not there."""
        overflow = self.find_overflow(attempt.phone, attempt.device_key)
        if overflow is not None:
            raise overflow

    def _come_back(self, ticket: str, holder: bytes, now_s: float) -> Turn | None:
        try:
            turn = self._room.come_back(ticket, holder, now_s)
        except RateLimited:
            _ANSWERS["too_early"].inc()
            raise
        if turn is not None:
            _ANSWERS["waiting"].inc()
        return turn

    def _receive(
        self, attempt: Attempt, source: Source, holder: bytes, now_s: float
    ) -> Admitted | Turn:
        """Somebody without a place in line."""
        use = attempt.phone.e164.encode()
        paid = self._proofs.level_of(attempt.proof, use, now_s)
        if paid is None:
            self._limits.note_knock(source, now_s)
        verdict = self._limits.judge(source, now_s)
        self._require_welcome(verdict)
        if self._limits.is_repeat(source, now_s):
            return self._let_in(source, self._is_inbound_only(verdict, now_s), now_s)
        self._charge(max(verdict.level, self._price_of_queue()), paid, use, now_s)
        is_inbound_only = self._is_inbound_only(verdict, now_s)
        turn = None
        if not is_inbound_only:
            is_invited = self._is_invited(attempt.invite, source, now_s)
            turn = self._room.join(holder, now_s, is_invited=is_invited)
        self._limits.note_start(source, now_s, gets_text=not is_inbound_only)
        if turn is None:
            return self._let_in(source, is_inbound_only, now_s)
        _ANSWERS["waiting"].inc()
        return turn

    def _require_welcome(self, verdict: Verdict) -> None:
        for reason in verdict.reasons:
            metrics.DOOR_REASONS.labels(reason).inc()
        if not verdict.is_served:
            _ANSWERS["abroad"].inc()
            raise CountryNotServed
        if verdict.retry_after_s is not None:
            _ANSWERS["refused"].inc()
            raise RateLimited(retry_after_s=round(verdict.retry_after_s, 1))

    def _charge(self, level: int, paid: Paid | None, use: bytes, now_s: float) -> None:
        if not level:
            return
        if paid is None or paid.level < level or not self._proofs.spend(paid, now_s):
            _ANSWERS["priced"].inc()
            raise self._proofs.price(level, use, now_s)

    def _price_of_queue(self) -> int:
        if not self._room.is_open:
            return 0
        return 1 if self._room.predicted_s() <= self._settings.room_text_us_s else 2

    def _is_inbound_only(self, verdict: Verdict, now_s: float) -> bool:
        return verdict.is_inbound_only or self._budget.is_spent(now_s)

    def _is_invited(self, invite: str | None, source: Source, now_s: float) -> bool:
        """Is the voucher good, and not somebody else's already?"""
        voucher = find_voucher(self._keys.ticket, invite, now_s)
        if voucher is None or voucher.serial >= self._settings.invites_per_week:
            return False
        name = hash((voucher.user, voucher.week, voucher.serial))
        holder = self._vouched.find(name)
        self._vouched.put(name, source.phone if holder is None else holder)
        return holder in (None, source.phone)

    def _let_in(self, source: Source, is_inbound_only: bool, now_s: float) -> Admitted:
        self._limits.note_let_in(source, now_s)
        _ANSWERS["inbound_only" if is_inbound_only else "let_in"].inc()
        queue = source.block if source.place is None else source.block ^ source.place.network
        return Admitted(source=queue & 0xFF, is_inbound_only=is_inbound_only)
