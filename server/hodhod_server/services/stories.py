"""One challenge told in the order of time, for an operator whom somebody has called: why no code?

Always true: a story holds no phone number, no code, no secret and no text, only what was done. The
provider's own answer is told as it was given, but without long numbers: some repeat the phone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from hodhod_server.domain.challenges import UNPROVEN, Challenge, ChallengeRules
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ChallengeNotFound
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.ladder import LadderRules, next_step
from hodhod_server.services.outlook import STALE, Prospect
from hodhod_server.store import challenges, funnel
from hodhod_server.store.database import Database
from hodhod_server.store.funnel import ToldSend

_LONG_NUMBER: Final = re.compile(r"\d{5,}")
_decode = msgspec.msgpack.Decoder(Prospect).decode


class What(StrEnum):
    """What happened, in the usual order."""

    ASKED = "asked"
    HANDED_OVER = "handed_over"
    ANSWERED = "answered"
    RECEIPT = "receipt"
    SEEN = "seen"
    CALL_WANTED = "call_wanted"
    WRONG_CODES = "wrong_codes"  # `count` of them, the last one then
    ACCEPTED = "accepted"
    SIGNED_IN = "signed_in"
    CANCELLED = "cancelled"


ORDER: Final = {what: place for place, what in enumerate(What)}
"""Of what happened in the same moment."""


class Weighed(msgspec.Struct, frozen=True):
    """A provider that was a candidate, as the router wrote it down. No score: it was left out."""

    provider: str
    score_s: float | None = None
    wait_s: float | None = None
    success: float = 0.0
    cost: int = 0
    state: str = ""
    why_not: str = ""


class Why(msgspec.Struct, frozen=True):
    """The reason of a choice."""

    words: str = ""
    candidates: tuple[Weighed, ...] = ()


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened; only the members that belong to it are there."""

    at: datetime
    after_s: float
    """Since the code was asked for."""
    what: What
    number: int | None = None
    """Of the hand-off."""
    provider: str | None = None
    channel: str | None = None
    kind: str | None = None
    code: int | None = None
    """Which code it carries: the first or the second of the challenge."""
    why: Why | None = None
    outcome: str | None = None
    answer: str | None = None
    cost: int | None = None
    receipt: str | None = None
    by: str | None = None
    count: int | None = None
    is_new: bool | None = None


class NextStep(msgspec.Struct, frozen=True):
    """What the house will do by itself."""

    kind: str
    channel: str
    at: datetime


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge from beginning to end. `state` None: only its hand-offs are kept."""

    challenge: ChallengeId
    operator: str
    client: str | None
    state: str | None
    happenings: tuple[Happening, ...]
    is_dispatched: bool
    """Does any process hand codes over now? If not, nothing follows."""
    next: NextStep | None


class Stories:
    """Tells of challenges. Reads only."""

    def __init__(
        self, database: Database, clock: Clock, rules: ChallengeRules, ladder: LadderRules
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._ladder = ladder

    async def tell(self, challenge: ChallengeId) -> Story:
        """Raises `ChallengeNotFound` where neither the challenge nor a hand-off is kept."""
        async with self._database.transaction() as tx:
            found = await challenges.find_many(tx, [challenge])
            sends = await funnel.story(tx, challenge)
            told = await funnel.told(tx)
        if not found and not sends:
            raise ChallengeNotFound
        now = self._clock.now()
        prospect = None
        if told is not None and now - told.written_at <= STALE:
            prospect = _decode(told.outlook)
        known = found[0] if found else None
        return Story(
            challenge=challenge,
            operator=known.operator if known else sends[0].operator,
            client=known.client if known else None,
            state=str(known.state(now, self._rules)) if known else None,
            happenings=_happenings(known, sends),
            is_dispatched=prospect is not None,
            next=self._next(known, prospect, now) if known and prospect else None,
        )

    def _next(self, known: Challenge, prospect: Prospect, now: datetime) -> NextStep | None:
        if known.state(now, self._rules) not in UNPROVEN:
            return None
        step = next_step(known.progress(now, self._rules), prospect.ways, self._ladder)
        if step is None:
            return None
        at = datetime.fromtimestamp(step.at_s, tz=now.tzinfo)
        return NextStep(str(step.kind), str(step.way), max(at, now))


def _happenings(known: Challenge | None, sends: Sequence[ToldSend]) -> tuple[Happening, ...]:
    found = [item for send in sends for item in _of_send(send)]
    if known is not None:
        found.extend(_of_newcomer(known))
    first = min(item.at for item in found)
    placed = [
        msgspec.structs.replace(item, after_s=(item.at - first).total_seconds()) for item in found
    ]
    return tuple(sorted(placed, key=lambda item: (item.at, ORDER[item.what])))


def _of_newcomer(known: Challenge) -> Iterator[Happening]:
    yield _happening(known.created_at, What.ASKED)
    if known.voice_wanted_at is not None:
        yield _happening(known.voice_wanted_at, What.CALL_WANTED)
    if known.seen_at is not None:
        yield _happening(known.seen_at, What.SEEN)
    if known.wrong_at is not None:
        yield _happening(known.wrong_at, What.WRONG_CODES, count=known.wrong_tries)
    if known.accepted_at is not None:
        yield _happening(known.accepted_at, What.ACCEPTED, by=known.accepted_by)
        if known.device is not None:
            yield _happening(known.accepted_at, What.SIGNED_IN, is_new=known.is_new)
    if known.cancelled_at is not None:
        yield _happening(known.cancelled_at, What.CANCELLED)


def _of_send(send: ToldSend) -> Iterator[Happening]:
    whose = _happening(send.began_at, What.HANDED_OVER, send)
    yield msgspec.structs.replace(
        whose,
        channel=send.channel,
        kind=send.kind,
        code=send.generation + 1,
        why=msgspec.json.decode(send.reason, type=Why),
    )
    if send.answered_at is not None:
        answer = _LONG_NUMBER.sub("…", send.answer)
        yield msgspec.structs.replace(
            _happening(send.answered_at, What.ANSWERED, send),
            outcome=send.outcome,
            answer=answer,
            cost=send.cost,
        )
    if send.receipt_at is not None:
        yield msgspec.structs.replace(
            _happening(send.receipt_at, What.RECEIPT, send), receipt=send.receipt
        )


def _happening(
    at: datetime,
    what: What,
    send: ToldSend | None = None,
    *,
    by: str | None = None,
    count: int | None = None,
    is_new: bool | None = None,
) -> Happening:
    return Happening(
        at=at,
        after_s=0.0,
        what=what,
        number=None if send is None else send.number,
        provider=None if send is None else send.provider,
        by=by,
        count=count,
        is_new=is_new,
    )
