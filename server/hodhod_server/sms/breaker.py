"""Leaving a provider out, reluctantly: by silence only where another does better, never the last.

A breaker that trips on a healthy provider costs more than the outage it was built for, because the
others then carry its load. So weakness is left to the score, and a breaker needs silence that is
significant, deep, and worse than elsewhere. Where several fall silent together it is us or the
country: all stay, and the newcomers are shown ways that need no provider.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

from hodhod_server.sms.health import Verdict
from hodhod_server.sms.provider import OutcomeClass
from hodhod_server.sms.router_rules import HealthRules


class Health(StrEnum):
    """How a provider stands."""

    OK = "ok"
    WEAK = "weak"  # still used, by its score
    HALF_OPEN = "half_open"  # gets probes only
    DEAD = "dead"


class Cause(StrEnum):
    """Why a breaker opened."""

    NONE = ""
    SILENCE = "accepted codes are not typed"
    REFUSALS = "most hand-offs are refused"
    CONFIG = "credit, key, template or line: an operator has to act"


class BreakerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker's state, with times told as how long ago, or how long yet."""

    state: Health
    cause: Cause
    openings: int
    open_for_s: float


class Breaker:
    """The state of one provider. Who may open is decided by `Bench`."""

    def __init__(self, rules: HealthRules) -> None:
        self._rules = rules
        self._answers = [0.0] * rules.hard_window_s
        self._refusals = [0.0] * rules.hard_window_s
        self._newest = 0
        self._openings = 0
        self._until_s = -math.inf
        self._closed_s = -math.inf
        self._next_probe_s = -math.inf
        self._taken_in_row = 0
        self.state = Health.OK
        self.cause = Cause.NONE
        self.opened_s = -math.inf

    @property
    def is_open_to_all(self) -> bool:
        """May any send go there?"""
        return self.state in (Health.OK, Health.WEAK)

    def open(self, cause: Cause, now_s: float) -> None:
        """Leave it out for a while, twice as long each time."""
        if (
            self._openings
            and self.is_open_to_all
            and now_s - self._closed_s > self._rules.forgive_s
        ):
            self._openings = 0
        pause_s = self._rules.open_s * 2.0 ** min(self._openings, 10)
        self._until_s = now_s + min(self._rules.open_max_s, pause_s)
        self._openings += 1
        self.state = Health.DEAD
        self.cause = cause
        self.opened_s = now_s

    def close(self, now_s: float) -> None:
        """Use it as any other."""
        self.state = Health.OK
        self.cause = Cause.NONE
        self._closed_s = now_s

    def advance(self, now_s: float) -> bool:
        """After its pause a provider gets probes. Has that begun now?"""
        if self.state is not Health.DEAD or now_s < self._until_s:
            return False
        self.state = Health.HALF_OPEN
        self._next_probe_s = now_s
        self._taken_in_row = 0
        return True

    def is_probe_due(self, now_s: float) -> bool:
        """Should the next first send be one, whatever chance says?"""
        return self.state is Health.HALF_OPEN and now_s >= self._next_probe_s

    def note_probe(self, now_s: float) -> None:
        """One has left."""
        self._next_probe_s = now_s + self._rules.probe_s

    def note_answer(self, kind: OutcomeClass, now_s: float) -> bool:
        """Count an answer. Do refusals now speak for opening?"""
        self._advance_answers(now_s)
        place = int(now_s) % self._rules.hard_window_s
        self._answers[place] += 1.0
        if kind is OutcomeClass.PROVIDER_FAULT:
            self._refusals[place] += 1.0
        elif kind is OutcomeClass.AMBIGUOUS:
            self._refusals[place] += 0.5
        else:
            return False
        refusals = sum(self._refusals)
        is_many = refusals >= self._rules.hard_errors_min
        return is_many and refusals > self._rules.hard_share * sum(self._answers)

    @property
    def is_hopeless(self) -> bool:
        """Was nearly all refused lately, for whatever reason?"""
        refusals = sum(self._refusals)
        is_many = refusals >= self._rules.hard_errors_min
        return is_many and refusals >= self._rules.hopeless_share * sum(self._answers)

    def note_probe_answer(self, kind: OutcomeClass, now_s: float) -> None:
        """A probe was answered: a refusal opens again; several taken close what refusals opened."""
        if kind in (OutcomeClass.PROVIDER_FAULT, OutcomeClass.CONFIG):
            cause = Cause.CONFIG if kind is OutcomeClass.CONFIG else Cause.REFUSALS
            self.open(cause, now_s)
        elif kind is OutcomeClass.ACCEPTED:
            self._taken_in_row += 1
            if self.cause is not Cause.SILENCE and self._taken_in_row >= self._rules.probes_taken:
                self.close(now_s)

    def judge_probes(self, verdict: Verdict, now_s: float) -> None:
        """Close or open by what the probes' newcomers typed."""
        if self.state is not Health.HALF_OPEN or verdict.expected < self._rules.proven_min:
            return
        if verdict.ratio > self._rules.proven_ratio:
            self.close(now_s)
        elif verdict.ratio < self._rules.dead_ratio:
            self.open(Cause.SILENCE, now_s)

    def clear(self, now_s: float) -> None:
        """An operator says that it is mended."""
        self._openings = 0
        self.close(now_s)

    def snapshot(self, now_s: float) -> BreakerSnapshot:
        """What a successor goes on with."""
        return BreakerSnapshot(
            state=self.state,
            cause=self.cause,
            openings=self._openings,
            open_for_s=max(0.0, self._until_s - now_s) if self.state is Health.DEAD else 0.0,
        )

    def restore(self, snapshot: BreakerSnapshot, now_s: float) -> None:
        """Go on where a predecessor stopped; half open begins anew."""
        self._openings = snapshot.openings
        self.cause = snapshot.cause
        self.state = snapshot.state
        if snapshot.state in (Health.DEAD, Health.HALF_OPEN):
            self.state = Health.DEAD
            self.opened_s = now_s
            self._until_s = now_s + min(self._rules.open_max_s, snapshot.open_for_s)

    def _advance_answers(self, now_s: float) -> None:
        second, size = int(now_s), self._rules.hard_window_s
        for fresh in range(max(self._newest + 1, second - size + 1), second + 1):
            self._answers[fresh % size] = 0.0
            self._refusals[fresh % size] = 0.0
        self._newest = max(self._newest, second)


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as the bench sees it: its breaker, its fresh verdict, and what is believed."""

    breaker: Breaker
    verdict: Verdict
    belief: Verdict


class Bench:
    """The providers of one channel judged against each other. At least one stays open to all."""

    def __init__(self, rules: HealthRules) -> None:
        self._rules = rules
        self._silent_s = -math.inf
        self.is_incident = False

    def may_open(self, breaker: Breaker, seats: list[Seat]) -> bool:
        """Would another remain?"""
        return any(seat.breaker.is_open_to_all and seat.breaker is not breaker for seat in seats)

    def judge(self, seats: list[Seat], now_s: float) -> list[Breaker]:
        """Open what is silent, or see an incident; the breakers that were opened or closed."""
        opened = [seat for seat in seats if seat.breaker.is_open_to_all]
        silent = [seat for seat in opened if self._is_silent(seat.verdict)]
        for seat in opened:
            is_weak = seat in silent or self._is_weak(seat.verdict)
            seat.breaker.state = Health.WEAK if is_weak else Health.OK
        others = [seat for seat in opened if seat not in silent]
        if not silent:
            self._leave_incident(seats, now_s)
            return []
        recent = [seat for seat in seats if self._fell_silent_lately(seat.breaker, now_s)]
        if not any(self._is_proven(seat) for seat in others) and (
            len(silent) + len(recent) >= 2 or len(opened) == 1
        ):
            self.is_incident = True
            self._silent_s = now_s
            for seat in recent:
                seat.breaker.close(now_s)
            return [seat.breaker for seat in recent]
        return self._open_silent(silent, others, seats, now_s)

    def _open_silent(
        self, silent: list[Seat], others: list[Seat], seats: list[Seat], now_s: float
    ) -> list[Breaker]:
        changed: list[Breaker] = []
        ratios = [self._known(seat).ratio for seat in others]
        best = max(ratios, default=0.0)
        for seat in silent:
            is_worse = seat.verdict.ratio < self._rules.dead_of_best * best
            if is_worse and self.may_open(seat.breaker, seats):
                seat.breaker.open(Cause.SILENCE, now_s)
                changed.append(seat.breaker)
        return changed

    def _leave_incident(self, seats: list[Seat], now_s: float) -> None:
        if not self.is_incident:
            return
        is_quiet = now_s - self._silent_s > self._rules.incident_s
        if is_quiet or any(
            seat.verdict.expected >= self._rules.expected_min
            and seat.verdict.ratio > self._rules.proven_ratio
            for seat in seats
        ):
            self.is_incident = False

    def _is_silent(self, verdict: Verdict) -> bool:
        return (
            verdict.expected >= self._rules.expected_min
            and verdict.ratio < self._rules.dead_ratio
            and verdict.observed
            < verdict.expected - self._rules.dead_sigmas * math.sqrt(verdict.expected)
        )

    def _is_weak(self, verdict: Verdict) -> bool:
        return (
            verdict.expected >= self._rules.expected_min
            and verdict.ratio < self._rules.weak_ratio
            and verdict.observed < verdict.expected - 2.0 * math.sqrt(verdict.expected)
        )

    def _is_proven(self, seat: Seat) -> bool:
        known = self._known(seat)
        is_enough = known.expected >= self._rules.proven_min
        return is_enough and known.ratio > self._rules.proven_ratio

    def _known(self, seat: Seat) -> Verdict:
        """The fresh verdict if it says enough, else what has been believed for minutes."""
        is_enough = seat.verdict.expected >= self._rules.proven_min
        return seat.verdict if is_enough else seat.belief

    def _fell_silent_lately(self, breaker: Breaker, now_s: float) -> bool:
        is_dead = breaker.state is Health.DEAD and breaker.cause is Cause.SILENCE
        return is_dead and now_s - breaker.opened_s <= self._rules.incident_s
