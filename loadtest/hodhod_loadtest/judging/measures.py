"""What can be asked of a recording, by name: `message.p99_ms`, `signups.in_share`, `promises.kept`.

A name may end in `@` and the kind or name of a phase (`message.p99_ms@recovery`); without it a
measure speaks of the whole run but its warming up, and a ratio of the surge against the baseline.
The last word of a name carries its unit.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy

from hodhod_loadtest.judging.bootstrap import interval
from hodhod_loadtest.judging.evidence import Evidence, Stretch, total
from hodhod_loadtest.judging.latencies import Numbers
from hodhod_loadtest.recording.model import Sample

KINDS: Final = {
    "message": "message",
    "ack": "ack",
    "code": "code",
    "signup": "signup",
    "return": "return",
    "returns": "return",
    "upload": "upload",
    "reconnect": "reconnect",
}
"""What a measure's name begins with → the kind of latency in the recording."""

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
ROLES: Final = (
    "gateway",
    "signup",
    "media",
    "worker",
    "postgres",
    "valkey",
    "all",  # one process for everything: a negative control
    "supervisor",
)
BASELINE, SURGE = "baseline", "surge"
NEVER: Final = tuple(
    f"messages.{kind}"
    for kind in ("lost", "doubled", "reordered", "gap", "differs", "invented", "read_by_others")
)
"""What must not happen to a message; counted by these names."""

SOON_S: Final = {
    "in_share": 1e9,
    **{f"in_{seconds}s_share": seconds for seconds in (30, 60, 120, 300, 600)},
}
LATE_S: Final = 1.0
"""A second is what the status of a sign-up may take to be told."""


class UnknownMeasure(LookupError):
    """A scenario asks for something that nobody computes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was measured, and what it would have been in other draws of the same run's blocks."""

    measured: float
    draws: Numbers | None = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Of the 95 % interval; `None` for what is counted and not estimated."""
        return None if self.draws is None or not len(self.draws) else interval(self.draws)


Compute = Callable[[Evidence, Stretch], Estimate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """`unit`: ms, s, ratio, share, number, cores, MiB, or per_s."""

    name: str
    unit: str
    about: str
    compute: Compute
    is_cautious: bool = False
    """Judged at the worse end of its interval, and not at what was measured."""

    at: Stretch = None

    def of(self, evidence: Evidence) -> Estimate | None:
        """`None`: the recording has nothing of it."""
        return self.compute(evidence, self.at)


def named(name: str) -> Measure:
    """Raises `UnknownMeasure`, with the nearest name that there is."""
    plain, _, stretch = name.partition("@")
    found = MEASURES.get(plain)
    if found is None:
        near = difflib.get_close_matches(plain, MEASURES, n=1)
        hint = f"; do you mean {near[0]!r}?" if near else ""
        raise UnknownMeasure(f"no measure is called {plain!r}{hint}")
    if not stretch:
        return found
    return Measure(
        name=name,
        unit=found.unit,
        about=found.about,
        compute=found.compute,
        is_cautious=found.is_cautious,
        at=stretch,
    )


# --- latencies -----------------------------------------------------------------------------------


def _quantile(kind: str, share: float, unit_us: float) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        told = evidence.latencies_in(kind, stretch)
        if told is None:
            return None
        blocks, measured_us = evidence.blocks(stretch), told.quantile_us(share)
        draws = blocks.widened(blocks.quantiles_us(told, share), measured_us)
        return Estimate(measured_us / unit_us, draws / unit_us)

    return compute


def _ratio(kind: str, share: float) -> Compute:
    quantile = _quantile(kind, share, 1.0)

    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        above, below = quantile(evidence, stretch or SURGE), quantile(evidence, BASELINE)
        if above is None or below is None or above.draws is None or below.draws is None:
            return None
        return Estimate(above.measured / below.measured, above.draws / below.draws)

    return compute


def _within(kind: str, seconds: float) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        told = evidence.latencies_in(kind, stretch)
        if told is None:
            return None
        soon = told.counts[:, told.values_us <= seconds * 1e6].sum(axis=1)
        due = told.counts.sum(axis=1) + told.missing
        blocks = evidence.blocks(stretch)
        measured = told.share_within(seconds)
        draws = blocks.widened(blocks.sums(soon) / numpy.maximum(1.0, blocks.sums(due)), measured)
        return Estimate(measured, numpy.minimum(draws, 1.0))

    return compute


def _latencies() -> Iterator[Measure]:
    for prefix, kind in KINDS.items():
        for label, share in QUANTILES.items():
            what = f"So long took the {label} of {kind}"
            for unit, unit_us in (("ms", 1e3), ("s", 1e6)):
                yield Measure(
                    name=f"{prefix}.{label}_{unit}",
                    unit=unit,
                    about=f"{what}, counted from when it was due.",
                    compute=_quantile(kind, share, unit_us),
                )
            yield Measure(
                name=f"{prefix}.{label}_ratio",
                unit="ratio",
                about=f"{what} in the surge, in terms of the baseline.",
                compute=_ratio(kind, share),
                is_cautious=True,
            )
    for people, kind in (("signups", "signup"), ("returns", "return")):
        for name, seconds in SOON_S.items():
            yield Measure(
                name=f"{people}.{name}",
                unit="share",
                about=f"How many of those who came were done ({kind}), and so soon.",
                compute=_within(kind, seconds),
            )


# --- what is counted -----------------------------------------------------------------------------


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


def _mean(evidence: Evidence, stretch: Stretch, rows: Numbers) -> Estimate:
    """Over the rows of a stretch."""
    blocks, measured = evidence.blocks(stretch), float(rows.mean())
    draws = blocks.sums(rows) / blocks.sums(numpy.ones_like(rows))
    return Estimate(measured, blocks.widened(draws, measured))


def _message_rate(evidence: Evidence, stretch: Stretch) -> Estimate | None:
    """Messages received a second."""
    told = evidence.latencies_in("message", stretch)
    if told is None:
        return None
    each_s = told.counts.sum(axis=1) / evidence.step_s
    return _mean(evidence, stretch, each_s)


def _violations(evidence: Evidence, _: Stretch) -> Estimate | None:
    """Promises about single messages and people that were seen broken."""
    return Estimate(float(len(evidence.recording.violations)))


def _texts(evidence: Evidence, _: Stretch) -> Estimate | None:
    """Texts handed to providers for each person who is in."""
    texts, people = total(evidence.counted_of("texts").values()), evidence.counted("in.newcomers")
    return Estimate(texts / people.sum()) if people.sum() else None


def _texts_to_bots(evidence: Evidence, _: Stretch) -> Estimate | None:
    """Texts that bots were sent, in terms of those that people were sent."""
    to_bots = evidence.recording.total("texts_to.bots")
    to_people = total(evidence.counted_of("texts").values()) - to_bots
    return Estimate(to_bots / to_people) if to_people > 0 else None


def _promises_kept(evidence: Evidence, _: Stretch) -> Estimate | None:
    """Of those who were told how long nine in ten wait, how many waited no longer."""
    promises = evidence.recording.promises
    if not promises:
        return None
    number = len(promises)
    kept = sum(promise.actual_s <= promise.promised_s + LATE_S for promise in promises) / number
    draws = evidence.chance("promises").binomial(number, kept, evidence.resamples) / number
    return Estimate(kept, draws)


# --- the server ----------------------------------------------------------------------------------


def _samples(evidence: Evidence, role: str, stretch: Stretch) -> list[Sample]:
    phases = evidence.phases(stretch)
    return [
        sample
        for sample in evidence.recording.server.get(role, ())
        if any(phase.from_s <= sample.at_s < phase.to_s for phase in phases)
    ]


def _cores(*roles: str) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        used = [_samples(evidence, role, stretch) for role in roles]
        if not any(used):
            return None
        rows = numpy.zeros(evidence.rows)
        for sample in (sample for samples in used for sample in samples):
            rows[evidence.row_at(sample.at_s)] += sample.cpu_s
        each_s = rows[evidence.rows_of(stretch)] / evidence.step_s
        return _mean(evidence, stretch, each_s)

    return compute


def _most(role: str, value: Callable[[Sample], float | None]) -> Compute:
    def compute(evidence: Evidence, stretch: Stretch) -> Estimate | None:
        told = [value(sample) for sample in _samples(evidence, role, stretch)]
        known = [one for one in told if one is not None]
        return Estimate(max(known)) if known else None

    return compute


def _server() -> Iterator[Measure]:
    yield Measure(
        name="server.cores",
        unit="cores",
        about="CPU-seconds a second, of all roles and engines together.",
        compute=_cores(*ROLES),
    )
    columns: tuple[tuple[str, str, str, Callable[[Sample], float | None]], ...] = (
        ("rss_mib", "MiB", "The most memory it had.", lambda sample: sample.rss_kib / 1024),
        ("loop_lag_p99_ms", "ms", "The worst second's lag.", lambda one: one.loop_lag_p99_ms),
        ("pool_wait_p99_ms", "ms", "The worst second's wait.", lambda one: one.pool_wait_p99_ms),
    )
    for role in ROLES:
        yield Measure(
            name=f"server.{role}.cores",
            unit="cores",
            about=f"CPU-seconds a second of {role}.",
            compute=_cores(role),
        )
        for name, unit, about, value in columns:
            yield Measure(
                name=f"server.{role}.{name}", unit=unit, about=about, compute=_most(role, value)
            )


def _counted() -> Iterator[Measure]:
    for name, unit, compute in (
        *((name, "number", _count(name, "messages.received")) for name in NEVER),
        ("messages.unanswered", "number", _count("messages.unanswered", "messages.received")),
        ("uploads.failed", "number", _count("uploads.failed", "uploads.begun")),
        ("capacity.per_s", "per_s", _count("capacity.per_s", "capacity.per_s")),
        ("texts.bots_share", "share", _texts_to_bots),
        ("messages.per_s", "per_s", _message_rate),
        ("signups.done", "number", _count("in.newcomers", "arrived.newcomers")),
        ("returns.done", "number", _count("in.returners", "arrived.returners")),
        ("texts.per_signup", "ratio", _texts),
        ("promises.kept", "share", _promises_kept),
        ("errors.number", "number", _count_of("error")),
        ("refusals.number", "number", _count_of("refused")),
        ("violations.number", "number", _violations),
    ):
        about = compute.__doc__ or "As the run counted."
        yield Measure(name=name, unit=unit, about=about, compute=compute)


MEASURES: Final = {measure.name: measure for measure in (*_latencies(), *_counted(), *_server())}
"""Every measure, by name."""
