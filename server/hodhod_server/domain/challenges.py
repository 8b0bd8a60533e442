"""A challenge: somebody proves a number by a code. Its states, and what follows from its times.

Everything is computed from when hand-offs began: which generation a send carries, until when a code
is accepted, when the next send may be. A generation lives from its own first hand-off, never from
a resend, so no code is accepted for longer than `code_validity_s`; the wait in our own queue takes
nothing from it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

import msgspec

from hodhod_server.domain.ids import ChallengeId, DeviceId, UserId

Locale = Literal["fa", "en"]
QUEUED_S: Final = 900  # without a hand-off for so long, the newcomer has gone
HANDOFF_LEASE_S: Final = 15  # three times what a sender may take: after it, its process has died
HANDOFF_WINDOW_S: Final = 600  # in which the hand-offs to one number are counted


class ChallengeState(StrEnum):
    """What the newcomer waits for."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    LOCKED = "locked"
    EXPIRED = "expired"


class ChallengeRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide about a challenge; `[signup]` explains each."""

    code_validity_s: int
    second_generation_s: int
    tries_max: int
    tries_per_phone_day_max: int
    handoffs_max: int
    resend_s: int


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge as it is stored. `handoffs` also holds the one under way, and no refused one."""

    challenge: ChallengeId
    phone_hash: bytes
    phone_sealed: bytes
    device_key: bytes | None
    device_name: str
    platform: str
    locale: Locale
    key_epoch: int
    created_at: datetime
    handoffs: tuple[datetime, ...] = ()
    handing_over_at: datetime | None = None
    sent_at: datetime | None = None
    wrong_tries: int = 0
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    approved_by: UserId | None = None
    refused_at: datetime | None = None
    device: DeviceId | None = None
    is_new: bool = False

    def __repr__(self) -> str:
        return f"Challenge({self.challenge})"

    def state(self, now: datetime, rules: ChallengeRules) -> ChallengeState:
        """What it is waiting for, now."""
        if self.device is not None:
            return ChallengeState.VERIFIED
        if self.wrong_tries >= rules.tries_max or self.refused_at is not None:
            return ChallengeState.LOCKED
        if now >= self.ends_at(rules):
            return ChallengeState.EXPIRED
        if self.accepted_at is not None:
            return ChallengeState.ACCEPTED
        return ChallengeState.QUEUED if self.sent_at is None else ChallengeState.SENT

    def ends_at(self, rules: ChallengeRules) -> datetime:
        """From when on no code is accepted; a right one may be repeated for a whole validity."""
        validity = timedelta(seconds=rules.code_validity_s)
        if self.accepted_at is not None:
            return self.accepted_at + validity
        starts = self._generation_starts(rules)
        return starts[-1] + validity if starts else self.created_at + timedelta(seconds=QUEUED_S)

    def accepted_generations(self, now: datetime, rules: ChallengeRules) -> tuple[int, ...]:
        """The generations whose code is right now. Once one was right, each of them remains so."""
        validity = timedelta(seconds=rules.code_validity_s)
        return tuple(
            generation
            for generation, start in enumerate(self._generation_starts(rules))
            if self.accepted_at is not None or now < start + validity
        )

    def generation_at(self, moment: datetime, rules: ChallengeRules) -> int:
        """The generation that a hand-off beginning then carries."""
        if not self.handoffs:
            return 0
        return int(moment - self.handoffs[0] >= timedelta(seconds=rules.second_generation_s))

    def is_being_handed_over(self, now: datetime) -> bool:
        """Is a sender at work? One that began long ago died with its process."""
        lease = timedelta(seconds=HANDOFF_LEASE_S)
        return self.handing_over_at is not None and now < self.handing_over_at + lease

    def next_send_at(self, now: datetime, rules: ChallengeRules) -> datetime:
        """The earliest next send, as far as this challenge alone decides."""
        if not self.handoffs:
            return now
        if self.sent_at is None:
            return max(now, self.handoffs[-1] + timedelta(seconds=HANDOFF_LEASE_S))
        earliest = max(now, self.handoffs[-1] + timedelta(seconds=rules.resend_s))
        return max(earliest, free_at(self.handoffs, now, rules))

    def _generation_starts(self, rules: ChallengeRules) -> list[datetime]:
        first = self.handoffs[:1]
        second = [moment for moment in self.handoffs if self.generation_at(moment, rules) == 1][:1]
        return [*first, *second]


def free_at(handoffs: tuple[datetime, ...], now: datetime, rules: ChallengeRules) -> datetime:
    """From when on one more hand-off keeps to the limit. `handoffs` are sorted, oldest first."""
    window = timedelta(seconds=HANDOFF_WINDOW_S)
    recent = [moment for moment in handoffs if moment > now - window]
    if len(recent) < rules.handoffs_max:
        return now
    return recent[-rules.handoffs_max] + window
