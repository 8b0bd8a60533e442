"""A challenge: somebody proves a number by a code. Its states, and what follows from its times.

Everything is computed from when hand-offs began: which generation a send carries, until when a code
is accepted. A generation lives from its own first hand-off, never from a later one, so no code is
accepted for longer than `code_validity_s`; the wait in our own queue takes nothing from it.
What is sent next and when is the ladder's business (domain/ladder.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

import msgspec

from hodhod_server.domain.ids import ChallengeId, DeviceId, UserId
from hodhod_server.domain.ladder import Fate, Handoff, Progress, Way

Locale = Literal["fa", "en"]
QUEUED_S: Final = 900  # without a hand-off for so long, the newcomer has gone
# Before the second, third … try after a wrong one: nobody mistypes three times in haste.
TRY_DELAYS_S: Final = (0, 5, 15, 30)
DEVICE: Final = "device"  # stands for a provider: the number's own devices were asked first
_FATES: Final = {
    None: Fate.UNDER_WAY,
    "accepted": Fate.TAKEN,
    "ambiguous": Fate.DOUBTFUL,
    "recipient": Fate.UNREACHABLE,
    "fraud": Fate.SUSPECT,
}


class ChallengeState(StrEnum):
    """What the newcomer waits for."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    LOCKED = "locked"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class AcceptedBy(StrEnum):
    """What proved the number."""

    CODE = "code"
    MESSAGE = "message"  # a text from it to our line


WAITING: Final = (ChallengeState.QUEUED, ChallengeState.SENT, ChallengeState.ACCEPTED)
UNPROVEN: Final = (ChallengeState.QUEUED, ChallengeState.SENT)


class Limit(msgspec.Struct, frozen=True):
    """At most so many in so many seconds."""

    most: int
    per_s: int

    @property
    def per(self) -> timedelta:
        """The time in which they are counted."""
        return timedelta(seconds=self.per_s)


class ChallengeRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide about a challenge; `[signup]` explains each."""

    code_validity_s: int
    second_generation_s: int
    tries_max: int
    tries: tuple[Limit, ...]
    """Wrong codes of one number, over all its challenges."""
    handoffs: tuple[Limit, ...]
    """Codes handed over to one number."""
    calls: tuple[Limit, ...]
    """Of these, spoken ones."""


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-off, as far as its challenge's course depends on it. `outcome` None: under way."""

    at: datetime
    way: Way
    outcome: str | None
    provider: str = ""

    @property
    def fate(self) -> Fate:
        """By what the ladder does about it."""
        return _FATES.get(self.outcome, Fate.REFUSED)

    @property
    def is_taken(self) -> bool:
        """May the person get a text from this?"""
        return self.fate in (Fate.TAKEN, Fate.DOUBTFUL)


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge as it is stored. `handoffs` also holds those under way, and no refused one."""

    challenge: ChallengeId
    phone_hash: bytes
    phone_sealed: bytes
    device_key: bytes | None
    device_name: str
    platform: str
    locale: Locale
    key_epoch: int
    created_at: datetime
    client: str = "generic"
    app_hash: str | None = None
    operator: str = ""
    source: int = 0
    is_inbound_only: bool = False
    text_at_once: bool = False
    version: int = 1
    handoffs: tuple[datetime, ...] = ()
    sends: tuple[Send, ...] = ()
    sent_at: datetime | None = None
    wrong_tries: int = 0
    wrong_at: datetime | None = None
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    seen_at: datetime | None = None
    cancelled_at: datetime | None = None
    voice_wanted_at: datetime | None = None
    approved_by: UserId | None = None
    refused_at: datetime | None = None
    device: DeviceId | None = None
    is_new: bool = False

    def __repr__(self) -> str:
        return f"Challenge({self.challenge})"

    @property
    def is_proven_otherwise(self) -> bool:
        """Was the number proved without a code? Then none is asked for."""
        return self.accepted_by not in (None, AcceptedBy.CODE)

    def state(self, now: datetime, rules: ChallengeRules) -> ChallengeState:
        """What it is waiting for, now."""
        if self.device is not None:
            return ChallengeState.VERIFIED
        if self.cancelled_at is not None:
            return ChallengeState.CANCELLED
        if self.refused_at is not None:
            return ChallengeState.LOCKED
        if self.wrong_tries >= rules.tries_max and not self.is_proven_otherwise:
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

    def code_ends_at(self, moment: datetime, rules: ChallengeRules) -> datetime:
        """Until when the code of a hand-off that began then is accepted."""
        starts = self._generation_starts(rules)
        start = starts[self.generation_at(moment, rules)] if starts else moment
        return start + timedelta(seconds=rules.code_validity_s)

    def try_again_at(self) -> datetime | None:
        """From when on another code may be tried; None: at once."""
        if self.wrong_at is None or not self.wrong_tries:
            return None
        delay_s = TRY_DELAYS_S[min(self.wrong_tries, len(TRY_DELAYS_S)) - 1]
        return self.wrong_at + timedelta(seconds=delay_s)

    def progress(self, now: datetime, rules: ChallengeRules) -> Progress:
        """What the ladder has to know. Times are seconds since the epoch."""
        asked_at = self.voice_wanted_at
        return Progress(
            started_at_s=self.created_at.timestamp(),
            handoffs=[
                Handoff(at_s=send.at.timestamp(), way=send.way, fate=send.fate)
                for send in self.sends
            ],
            voice_asked_at_s=None if asked_at is None else asked_at.timestamp(),
            is_seen=self.seen_at is not None,
            is_over=self.state(now, rules) not in UNPROVEN,
        )

    def _generation_starts(self, rules: ChallengeRules) -> list[datetime]:
        first = self.handoffs[:1]
        second = [moment for moment in self.handoffs if self.generation_at(moment, rules) == 1][:1]
        return [*first, *second]
