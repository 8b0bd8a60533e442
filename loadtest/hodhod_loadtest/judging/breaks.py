"""What broke first: who left its bound when, goals and parts of the server side by side.

A part is out of bounds when it waits several times as long as in the baseline, and long enough to
be felt. One bad moment is not a break: a window of five seconds has to be followed by a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy

from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.latencies import Latencies, Marks
from hodhod_loadtest.judging.of_latencies import BASELINE, KINDS, QUANTILES, SURGE
from hodhod_loadtest.recording.model import Sample, Slo
from hodhod_server.sms.breaker import Health

WINDOW_S: Final = 5
IN_A_ROW: Final = 2
TIMES_BASELINE: Final = 3.0
LOOP_LAG_FELT_MS: Final = 25.0
POOL_WAIT_FELT_MS: Final = 10.0
CALM: Final = ("warm", BASELINE)
LEFT_OUT: Final = (Health.DEAD, Health.HALF_OPEN)
MACHINE_FULL: Final = 0.95
"""Of all cores, used by the server: what is left goes to the generator and the kernel."""


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """`what`: `goal`, `loop_lag`, `pool_wait`, `machine`, `provider`; `who` by name."""

    at_s: float
    phase: str
    what: str
    who: str
    seen: float
    bound: float


def breaks(evidence: Evidence, broken: Sequence[Slo]) -> list[Break]:
    """In the order in which they came. Of the goals only those that were missed are looked at."""
    found = [
        *(item for slo in broken for item in _goal(evidence, slo)),
        *_waits(evidence, "loop_lag", lambda one: one.loop_lag_p99_ms, LOOP_LAG_FELT_MS),
        *_waits(evidence, "pool_wait", lambda one: one.pool_wait_p99_ms, POOL_WAIT_FELT_MS),
        *_machine(evidence),
        *_providers(evidence),
    ]
    return sorted(found, key=lambda item: item.at_s)


def _goal(evidence: Evidence, slo: Slo) -> Iterator[Break]:
    """Latencies only, and where the goal speaks of them: a share is known when all is over."""
    name, _, stretch = slo.measure.partition("@")
    kind, _, rest = name.partition(".")
    quantile, _, unit = rest.partition("_")
    told, share = evidence.latencies(KINDS.get(kind, "")), QUANTILES.get(quantile)
    if told is None or share is None:
        return
    bound_us = slo.goal * {"ms": 1e3, "s": 1e6}.get(unit, 1.0)
    if unit == "ratio":
        before = evidence.latencies_in(KINDS[kind], BASELINE)
        bound_us *= before.quantile_us(share) if before else float("nan")
        stretch = stretch or SURGE
    seen = _quantiles(evidence, told, share, evidence.rows_of(stretch or None))
    for at_s, value in _first(evidence, seen, bound_us):
        yield _break(evidence, at_s, ("goal", slo.measure), (value / 1e3, bound_us / 1e3))


def _quantiles(evidence: Evidence, told: Latencies, share: float, rows: Marks) -> list[float]:
    """In microseconds, window by window; 0 where nothing was due, or it does not count."""
    size, seen = _window_rows(evidence), []
    for start in range(0, evidence.rows, size):
        window = told.among(numpy.arange(start, min(start + size, evidence.rows)))
        is_asked = bool(rows[start]) and window.total > 0
        seen.append(window.quantile_us(share) if is_asked else 0.0)
    return seen


def _waits(
    evidence: Evidence, what: str, value: Callable[[Sample], float | None], felt_ms: float
) -> Iterator[Break]:
    for role, samples in evidence.recording.server.items():
        known = [(one.at_s, told) for one in samples if (told := value(one)) is not None]
        calm = [told for at_s, told in known if _kind(evidence, at_s) == BASELINE]
        bound = max(felt_ms, TIMES_BASELINE * float(numpy.median(calm)) if calm else 0.0)
        for at_s, seen in _first(evidence, _windows(evidence, known, max), bound):
            yield _break(evidence, at_s, (what, role), (seen, bound))


def _machine(evidence: Evidence) -> Iterator[Break]:
    cores = evidence.recording.environment.get("cores")
    if not isinstance(cores, int):
        return
    used: dict[float, float] = {}
    for samples in evidence.recording.server.values():
        for sample in samples:
            second = float(int(sample.at_s))
            used[second] = used.get(second, 0.0) + sample.cpu_s
    windows = _windows(evidence, sorted(used.items()), lambda seen: sum(seen) / len(seen))
    bound = MACHINE_FULL * cores
    for at_s, seen in _first(evidence, windows, bound):
        yield _break(evidence, at_s, ("machine", "server"), (seen, bound))


def _providers(evidence: Evidence) -> Iterator[Break]:
    """The first time that a provider is left out."""
    for name, samples in evidence.recording.providers.items():
        for sample in samples:
            if sample.state in LEFT_OUT:
                share = sample.verified / max(1, sample.handed)
                yield _break(evidence, sample.at_s, ("provider", name), (share, 0.0))
                break


def _windows(
    evidence: Evidence,
    known: Sequence[tuple[float, float]],
    of: Callable[[Sequence[float]], float],
) -> list[float]:
    """What a part was like, window by window; 0 in the calm that it is held against."""
    size_s = _window_rows(evidence) * evidence.step_s
    inside: dict[int, list[float]] = {}
    for at_s, told in known:
        inside.setdefault(int(at_s // size_s), []).append(told)
    last = max(inside, default=-1)
    windows = [of(inside[number]) if number in inside else 0.0 for number in range(last + 1)]
    if all(phase.kind in CALM for phase in evidence.recording.phases):
        return windows
    return [
        0.0 if _kind(evidence, float(number * size_s)) in CALM else seen
        for number, seen in enumerate(windows)
    ]


def _first(
    evidence: Evidence, seen: Sequence[float], bound: float
) -> Iterator[tuple[float, float]]:
    """The first window above the bound that is followed by another; warming up does not count."""
    size_s = _window_rows(evidence) * evidence.step_s
    for number in range(len(seen) - IN_A_ROW + 1):
        at_s = float(number * size_s)
        if _kind(evidence, at_s) in ("warm", ""):
            continue
        if min(seen[number : number + IN_A_ROW]) > bound:
            yield at_s, seen[number]
            return


def _break(
    evidence: Evidence, at_s: float, what: tuple[str, str], numbers: tuple[float, float]
) -> Break:
    phase = next((one.name for one in evidence.phases_at(at_s)), "")
    seen, bound = numbers
    return Break(at_s=at_s, phase=phase, what=what[0], who=what[1], seen=seen, bound=bound)


def _kind(evidence: Evidence, at_s: float) -> str:
    return next((phase.kind for phase in evidence.phases_at(at_s)), "")


def _window_rows(evidence: Evidence) -> int:
    return max(1, WINDOW_S // evidence.step_s)
