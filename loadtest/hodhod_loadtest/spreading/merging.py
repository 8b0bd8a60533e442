"""Parts of one run to the recording of all of it. Pure.

Latencies are histograms and add up without loss, second by second; so do counts. What only one
process looks at (the server, its providers) is taken from that one. A generator is as late as its
latest process: its run is void if one of them was.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from hodhod_loadtest.recording import histograms
from hodhod_loadtest.recording.model import Generator, Promised, Recording, Slice
from hodhod_loadtest.recording.recorder import PROMISES_MAX


def merged(parts: Sequence[Recording]) -> Recording:
    """Raises `ValueError` where they are not of one run. The first names what all share."""
    if len({(part.scenario, part.seed) for part in parts}) != 1:
        raise ValueError("these recordings are not parts of one run")
    first = parts[0]
    return Recording(
        scenario=first.scenario,
        seed=first.seed,
        command=first.command,
        started_at=min(part.started_at for part in parts),
        seconds=max(part.seconds for part in parts),
        environment=first.environment,
        phases=first.phases,
        slos=first.slos,
        latencies=_latencies(parts),
        counts=_counts(parts),
        server=next((part.server for part in parts if part.server), {}),
        providers=next((part.providers for part in parts if part.providers), {}),
        happenings=sorted(
            (happening for part in parts for happening in part.happenings),
            key=lambda happening: happening.at_s,
        ),
        promises=_promises(parts),
        generator=_generator(parts),
        violations=[violation for part in parts for violation in part.violations],
        control=next((part.control for part in parts if part.control is not None), None),
    )


def _latencies(parts: Sequence[Recording]) -> dict[str, list[Slice]]:
    found: defaultdict[str, defaultdict[int, list[Slice]]] = defaultdict(lambda: defaultdict(list))
    for part in parts:
        for kind, slices in part.latencies.items():
            for piece in slices:
                found[kind][piece.at_s].append(piece)
    return {
        kind: [_slice(pieces) for _, pieces in sorted(seconds.items())]
        for kind, seconds in found.items()
    }


def _slice(pieces: Sequence[Slice]) -> Slice:
    if len(pieces) == 1:
        return pieces[0]
    histogram = histograms.encode(histograms.summed(piece.histogram for piece in pieces))
    return Slice(pieces[0].at_s, sum(piece.count for piece in pieces), histogram)


def _counts(parts: Sequence[Recording]) -> dict[str, list[tuple[int, int]]]:
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for part in parts:
        for name, seconds in part.counts.items():
            for at_s, number in seconds:
                found[name][at_s] += number
    return {name: sorted(seconds.items()) for name, seconds in sorted(found.items())}


def _promises(parts: Sequence[Recording]) -> list[Promised]:
    """As many as a recording holds, evenly from all."""
    found = [promise for part in parts for promise in part.promises]
    step = -(-len(found) // PROMISES_MAX)
    return found[:: max(1, step)]


def _generator(parts: Sequence[Recording]) -> Generator | None:
    found = [part.generator for part in parts if part.generator is not None]
    if not found:
        return None
    return Generator(
        lag_p99_ms=max(one.lag_p99_ms for one in found),
        cpu_s=sum(one.cpu_s for one in found),
        processes=sum(one.processes for one in found),
        is_valid=all(one.is_valid for one in found),
        why="; ".join(sorted({one.why for one in found if one.why})),
    )
