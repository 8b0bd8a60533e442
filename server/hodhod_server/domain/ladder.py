"""The ladder: what is tried next so that a code reaches its newcomer, when, and what they are told.

People who see nothing tap "send again", and each tap in a surge makes the queue longer that they
wait in. So the plan is ours: the same code over another way at fixed times, and a tap only shows
it. A pure function of what has happened, so that it can be computed again by any process.

Times are seconds of any one clock. Always true: nothing follows once the code was seen or the
challenge is over; a number that cannot get texts gets no further one; no more than `handoffs_max`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class SendKind(StrEnum):
    """Why a code is sent, which also says how urgent it is."""

    FIRST = "first"
    FAILOVER = "failover"  # the one before was refused, or nobody knows
    HEDGE = "hedge"  # no sign of the first: the same code by another road
    RESEND = "resend"  # the newcomer chose another way
    LATE = "late"  # the third text and the fourth


class Way(StrEnum):
    """How a code may come to us from the newcomer's hand; the first three are `Channel`s."""

    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"
    MESSAGE = "message"  # they send us a text: needs nothing of ours to arrive


class Fate(StrEnum):
    """What became of a hand-off, by what the ladder does about it."""

    UNDER_WAY = "under_way"
    TAKEN = "taken"
    DOUBTFUL = "doubtful"  # cut off: maybe sent
    REFUSED = "refused"  # another provider may take it
    UNREACHABLE = "unreachable"  # this number cannot get it in this way
    SUSPECT = "suspect"  # the provider suspects abuse


class LadderRules(msgspec.Struct, frozen=True, kw_only=True):
    """The times of the ladder, in seconds after the first hand-off that was taken."""

    hedge_s: float = 20.0
    """The knee of cost against delay: 15 s costs 5 % more texts, 30 s makes one in twenty wait
    ten seconds longer. A hedge that is put off keeps this distance to what follows it."""

    message_s: float = 30.0
    """When "another way" appears, so that nobody looks at a screen that offers nothing."""

    voice_s: float = 45.0
    """Two texts have had their time. Calls are few, so not before."""

    voice_again_s: float = 60.0
    """Between two calls: the first may still be ringing."""

    message_first_s: float = 70.0
    """From when on sending us a text is named first: it needs none of our capacity."""

    late_s: tuple[float, ...] = (105.0, 165.0)
    """The third and the fourth text."""

    handoffs_max: int = 5
    """Of one challenge; more would be bombing somebody."""

    retry_s: float = 5.0
    """When every road has refused: the pause before the next, doubled each time."""

    retry_max_s: float = 30.0
    """The longest such pause: providers come back within a minute or not at all."""


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """A send that has begun. Of a refused one `at_s` may be when the refusal was known."""

    at_s: float
    way: Way = Way.SMS
    fate: Fate = Fate.TAKEN

    @property
    def may_arrive(self) -> bool:
        """Does it count against the limit?"""
        return self.fate in (Fate.UNDER_WAY, Fate.TAKEN, Fate.DOUBTFUL)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened to a challenge; `handoffs` oldest first."""

    started_at_s: float
    handoffs: Sequence[Handoff] = ()
    voice_asked_at_s: float | None = None
    is_seen: bool = False
    is_over: bool = False
    free_at_s: float = -math.inf
    """From when on this number may get one more, counting its other challenges."""


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """What the house offers now: failure domains of a way, and whether it can receive texts."""

    sms_domains: int = 1
    voice_domains: int = 0
    takes_messages: bool = False
    is_in_trouble: bool = False
    """Texts do not arrive, or wait minutes: whatever needs no provider is named first."""

    def domains(self, way: Way) -> int:
        """How many roads of this kind fail on their own."""
        return {Way.SMS: self.sms_domains, Way.VOICE: self.voice_domains}.get(way, 0)


class Step(msgspec.Struct, frozen=True):
    """What the house does next by itself; due once the clock says `at_s`."""

    kind: SendKind
    way: Way
    at_s: float


class Option(msgspec.Struct, frozen=True):
    """What the newcomer is told: this way, from then on. The best is named first."""

    way: Way
    at_s: float


def next_step(progress: Progress, ways: Ways, rules: LadderRules) -> Step | None:
    """The next hand-off, or None where nothing more is planned."""
    if progress.is_over or progress.is_seen or _is_suspect(progress):
        return None
    if sum(handoff.may_arrive for handoff in progress.handoffs) >= rules.handoffs_max:
        return None
    steps = [_sms_step(progress, ways, rules), _voice_step(progress, ways, rules)]
    planned = [step for step in steps if step is not None]
    if not planned:
        return None
    first = min(planned, key=lambda step: step.at_s)
    return Step(first.kind, first.way, max(first.at_s, progress.free_at_s))


def options(progress: Progress, ways: Ways, rules: LadderRules, now_s: float) -> tuple[Option, ...]:
    """The ways that are open to the newcomer, or will be."""
    if progress.is_over:
        return ()
    base_s = _first_at_s(progress)
    started_s = progress.started_at_s if base_s is None else base_s
    found: list[Option] = []
    step = next_step(progress, ways, rules)
    if step is not None:
        found.append(Option(step.way, step.at_s))
    voice_s = _voice_offered_at_s(progress, ways, rules)
    if voice_s is not None and (step is None or step.way is not Way.VOICE):
        found.append(Option(Way.VOICE, voice_s))
    found.sort(key=lambda option: option.at_s)
    if ways.takes_messages:
        is_urgent = ways.is_in_trouble or not _may_text(progress) or step is None
        at_s = progress.started_at_s if is_urgent else started_s + rules.message_s
        is_first = is_urgent or now_s >= started_s + rules.message_first_s
        found.insert(0 if is_first else len(found), Option(Way.MESSAGE, at_s))
    return tuple(found)


def _sms_step(progress: Progress, ways: Ways, rules: LadderRules) -> Step | None:
    if not ways.sms_domains or not _may_text(progress):
        return None
    texts = _by(progress, Way.SMS)
    if not texts:
        return Step(SendKind.FIRST, Way.SMS, progress.started_at_s)
    failover = _failover(texts, ways, rules)
    if failover is not None:
        return failover
    taken = [text for text in texts if text.fate in (Fate.TAKEN, Fate.UNDER_WAY)]
    offsets_s = (rules.hedge_s, *rules.late_s)
    if len(taken) > len(offsets_s):
        return None
    kind = SendKind.HEDGE if len(taken) == 1 else SendKind.LATE
    planned_s = taken[0].at_s + offsets_s[len(taken) - 1]
    return Step(kind, Way.SMS, max(planned_s, taken[-1].at_s + rules.hedge_s))


def _voice_step(progress: Progress, ways: Ways, rules: LadderRules) -> Step | None:
    asked_s = progress.voice_asked_at_s
    offered_s = _voice_offered_at_s(progress, ways, rules)
    if asked_s is None or offered_s is None:
        return None
    calls = _by(progress, Way.VOICE)
    failover = _failover(calls, ways, rules)
    if failover is not None:
        return failover
    if calls and calls[-1].at_s >= asked_s:
        return None
    return Step(SendKind.RESEND, Way.VOICE, max(asked_s, offered_s))


def _failover(handoffs: Sequence[Handoff], ways: Ways, rules: LadderRules) -> Step | None:
    """At once while there is a road that has not refused; then with growing pauses."""
    failed = 0
    for handoff in reversed(handoffs):
        if handoff.fate not in (Fate.REFUSED, Fate.DOUBTFUL):
            break
        failed += 1
    if not failed:
        return None
    last = handoffs[-1]
    rounds = failed - max(1, ways.domains(last.way))
    pause_s = 0.0 if rounds < 0 else min(rules.retry_max_s, rules.retry_s * 2 ** min(rounds, 10))
    return Step(SendKind.FAILOVER, last.way, last.at_s + pause_s)


def _voice_offered_at_s(progress: Progress, ways: Ways, rules: LadderRules) -> float | None:
    """From when on a call may be asked for; None where there is none to be had."""
    calls = _by(progress, Way.VOICE)
    is_deaf = any(call.fate is Fate.UNREACHABLE for call in calls)
    if not ways.voice_domains or is_deaf or _is_suspect(progress):
        return None
    if any(call.may_arrive for call in calls):
        return calls[-1].at_s + rules.voice_again_s
    if not _may_text(progress) or not ways.sms_domains:
        return progress.started_at_s
    first_s = _first_at_s(progress)
    return (progress.started_at_s if first_s is None else first_s) + rules.voice_s


def _first_at_s(progress: Progress) -> float | None:
    return next((item.at_s for item in progress.handoffs if item.may_arrive), None)


def _by(progress: Progress, way: Way) -> list[Handoff]:
    return [handoff for handoff in progress.handoffs if handoff.way is way]


def _may_text(progress: Progress) -> bool:
    texts = _by(progress, Way.SMS)
    return not any(text.fate in (Fate.UNREACHABLE, Fate.SUSPECT) for text in texts)


def _is_suspect(progress: Progress) -> bool:
    return any(handoff.fate is Fate.SUSPECT for handoff in progress.handoffs)
