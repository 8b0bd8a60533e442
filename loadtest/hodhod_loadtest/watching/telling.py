"""A moment in words: cells that a picture arranges, and one line of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from hodhod_loadtest.watching.moment import CROWDS, UNITS, Moment, Waits

TROUBLES_TOLD: Final = 3
NOT_KNOWN: Final = "–"


class Flow(NamedTuple):
    """Something that goes in and, some time later, comes out."""

    what: str
    come: int
    done: int
    done_as: str
    per_s: float


class Wait(NamedTuple):
    """Percentiles in words, with their unit."""

    what: str
    p50: str
    p95: str
    p99: str


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def progress(moment: Moment) -> str:
    """Where in the run it is."""
    left = f"ends in {clock(moment.left_s)}" if moment.left_s else "waits for the last ones"
    return f"{clock(moment.at_s)} of {clock(moment.of_s)}, {left}"


def flows(moment: Moment, before: Moment) -> list[Flow]:
    """Crowds and messages of which there are any."""
    names = [(crowd, f"arrived.{crowd}", f"in.{crowd}", "in") for crowd in CROWDS]
    names.append(("messages", "messages.written", "messages.received", "received"))
    return [
        Flow(
            what, moment.counts[come], moment.counts.get(done, 0), done_as,
            moment.speed(done, before),
        )
        for what, come, done, done_as in names
        if moment.counts.get(come)
    ]  # fmt: skip


def waits(moment: Moment) -> list[Wait]:
    """Each kind that was told."""
    return [
        Wait(
            kind,
            _shown(kind, each.p50_ms),
            _shown(kind, each.p95_ms),
            _shown(kind, each.p99_ms),
        )
        for kind, each in moment.waits.items()
        if each != Waits()
    ]


def troubles(moment: Moment) -> str:
    """The most frequent, and how many others; empty where there are none."""
    found = list(moment.troubles.items())
    told = [f"{name.partition('.')[2]} {count:,}" for name, count in found[:TROUBLES_TOLD]]
    if rest := sum(count for _, count in found[TROUBLES_TOLD:]):
        told.append(f"others {rest:,}")
    return ", ".join(told)


def lag(moment: Moment) -> str:
    """How late the generator is; empty where that is not known."""
    if moment.lag_p99_ms is None:
        return ""
    bound = "" if moment.lag_most_ms is None else f" (at most {moment.lag_most_ms:g})"
    word = "VOID: " if moment.is_late else ""
    return f"{word}generator late by {moment.lag_p99_ms:.1f} ms{bound}"


def line(moment: Moment, before: Moment) -> str:
    """All of it in one line."""
    return "; ".join(_parts(moment, before))


def _parts(moment: Moment, before: Moment) -> Iterator[str]:
    yield f"{progress(moment)}{f', {moment.phase}' if moment.phase else ''}"
    for flow in flows(moment, before):
        yield f"{flow.what} {flow.come:,}, {flow.done_as} {flow.done:,} ({flow.per_s:,.0f}/s)"
    for wait in waits(moment):
        known = [
            f"{name} {value}"
            for name, value in zip(("p50", "p95", "p99"), wait[1:], strict=True)
            if value != NOT_KNOWN
        ]
        yield f"{wait.what} {', '.join(known)}"
    yield from _marked(moment)


def _marked(moment: Moment) -> Sequence[str]:
    found = troubles(moment)
    told = [f"trouble: {found}"] if found else []
    if moment.is_late:
        told.append(lag(moment))
    return told


def _shown(kind: str, milliseconds: float | None) -> str:
    if milliseconds is None:
        return NOT_KNOWN
    times, unit = UNITS.get(kind, (1.0, "ms"))
    return f"{milliseconds * times:.1f} {unit}"
