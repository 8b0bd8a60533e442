"""Measures of what was counted: messages that must not get lost, texts, promises, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hodhod_loadtest.judging.estimates import Compute, Estimate, Measure, mean
from hodhod_loadtest.judging.evidence import Evidence, Stretch, total

NEVER: Final = {
    "messages.lost": "Messages that were acknowledged and did not arrive.",
    "messages.doubled": "Messages that arrived twice.",
    "messages.reordered": "Messages that arrived after a later one.",
    "messages.gap": "Places in a chat that a member never got.",
    "messages.differs": "Messages at another place than their sender was told.",
    "messages.invented": "Messages that nobody sent.",
    "messages.read_by_others": "Messages that came to somebody who is no member.",
    "messages.unanswered": "Messages that were neither acknowledged nor refused.",
}
"""What must not happen to a message; counted by these names."""

LATE_S: Final = 1.0
"""A second is what the status of a sign-up may take to be told."""


def _count(name: str, among: str) -> Compute:
    """Over the whole run, whatever the stretch: losses are losses. None were seen where there was
    something to look at; where there was not, nothing is known.
    """

    def compute(evidence: Evidence, _: Stretch) -> Estimate | None:
        recording = evidence.recording
        is_known = name in recording.counts or recording.total(among) > 0
        return Estimate(float(recording.total(name))) if is_known else None

    return compute


def _count_of(area: str) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        rows = evidence.rows_of(stretch)
        return Estimate(total(counts[rows] for counts in evidence.counted_of(area).values()))

    return compute


def _message_rate(evidence: Evidence, stretch: Stretch) -> Estimate | None:
    told = evidence.latencies_in("message", stretch)
    if told is None:
        return None
    each_s = told.counts.sum(axis=1) / evidence.step_s
    return mean(evidence, stretch, each_s)


def _violations(evidence: Evidence, _: Stretch) -> Estimate | None:
    return Estimate(float(len(evidence.recording.violations)))


def _texts(evidence: Evidence, _: Stretch) -> Estimate | None:
    texts, people = total(evidence.counted_of("texts").values()), evidence.counted("in.newcomers")
    return Estimate(texts / people.sum()) if people.sum() else None


def _texts_to_bots(evidence: Evidence, _: Stretch) -> Estimate | None:
    to_bots = evidence.recording.total("texts_to.bots")
    to_people = total(evidence.counted_of("texts").values()) - to_bots
    return Estimate(to_bots / to_people) if to_people > 0 else None


def _promises_kept(evidence: Evidence, _: Stretch) -> Estimate | None:
    promises = evidence.recording.promises
    if not promises:
        return None
    number = len(promises)
    kept = sum(promise.actual_s <= promise.promised_s + LATE_S for promise in promises) / number
    draws = evidence.chance("promises").binomial(number, kept, evidence.resamples) / number
    return Estimate(kept, draws)


def count_measures() -> Iterator[Measure]:
    for name, about in NEVER.items():
        compute = _count(name, "messages.received")
        yield Measure(name=name, unit="number", about=about, compute=compute)
    for name, unit, about, compute in (
        ("messages.per_s", "per_s", "Messages received a second.", _message_rate),
        (
            "capacity.per_s",
            "per_s",
            "The highest rate that held, where a scenario raises it until something breaks.",
            _count("capacity.per_s", "capacity.per_s"),
        ),
        (
            "uploads.failed",
            "number",
            "Uploads that were given up.",
            _count("uploads.failed", "uploads.begun"),
        ),
        (
            "signups.done",
            "number",
            "Newcomers who are in.",
            _count("in.newcomers", "arrived.newcomers"),
        ),
        (
            "returns.done",
            "number",
            "Returning people who are in.",
            _count("in.returners", "arrived.returners"),
        ),
        ("texts.per_signup", "ratio", "Texts handed over for each person who is in.", _texts),
        (
            "texts.bots_share",
            "share",
            "Texts that bots were sent, in terms of those that people were sent.",
            _texts_to_bots,
        ),
        (
            "promises.kept",
            "share",
            "Of those who were told how long nine in ten wait, how many waited no longer.",
            _promises_kept,
        ),
        ("errors.number", "number", "Errors of every kind; refusals are none.", _count_of("error")),
        ("refusals.number", "number", "Answers that say: not now.", _count_of("refused")),
        ("violations.number", "number", "Promises that were seen broken.", _violations),
    ):
        yield Measure(name=name, unit=unit, about=about, compute=compute)
