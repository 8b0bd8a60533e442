"""What ten uploads at once do to others: to messages, to the media process's loop and its memory.

Stretches with and without uploads take turns in one run, so that a machine that changes its mind
does so for both. The uploads come at a pace (`UPLOAD_MIB_S` each): ten phones, not ten disks.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.accounting import share_elsewhere
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut, percentile, rounded
from hodhod_loadtest.bench.flights import Flights, Wire, connected
from hodhod_loadtest.bench.loops import OpenRun
from hodhod_loadtest.bench.measure_messages import TRIES_PER_RUN, is_valid
from hodhod_loadtest.bench.pacing import ConstantPacer
from hodhod_loadtest.bench.people import pair_up
from hodhod_loadtest.bench.target import Plan, Target, open_target
from hodhod_loadtest.bench.uploader import uploading
from hodhod_loadtest.exposition import LOOP_LAG, Histogram, find_p99, histogram

MESSAGES: Final = "message_p99_during_uploads_ratio"
LAG: Final = "media_loop_lag_p99_ms"
RSS: Final = "ten_uploads_rss_mib"
UPLOADS: Final = 10
UPLOAD_MIB_S: Final = 2.0
MESSAGES_S: Final = 1000
STRETCHES: Final = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """A stretch without uploads and one with them, next to each other."""

    calm: OpenRun
    busy: OpenRun

    @property
    def is_valid(self) -> bool:
        """Whoever measures was in time."""
        return is_valid(self.calm) and is_valid(self.busy)


async def crowding(plan: Plan) -> list[Figure | LeftOut]:
    """Messages with and without uploads, in turns."""
    runs: list[list[Pair]] = []
    lags_ms: list[float] = []
    rss_mib: list[float] = []
    async with open_target(plan) as target:
        people = await target.newcomers.many(2 * plan.pairs)
        pairs = await pair_up(people, target.api_url)
        tokens = [pair.writer.token for pair in pairs[:UPLOADS]]
        async with connected(pairs, target.door) as (wires, flights):
            crowd = _Crowd(plan, target, wires, flights, tokens)
            for number in range(1, plan.runs + 1):
                plan.tell(f"{MESSAGES}: run {number} of {plan.runs}")
                target.processes.forget_peaks("media")
                before = await _lags(target)
                runs.append(await crowd.pairs())
                lags_ms.append(1000 * _p99(before, await _lags(target)))
                rss_mib.append(target.processes.peak_rss_kib("media") / 1024)
    about = {"uploads": UPLOADS, "mib_s_each": UPLOAD_MIB_S, "messages_s": MESSAGES_S}
    return [
        _ratio(runs, about),
        Figure(name=LAG, unit="ms", better="lower", runs=tuple(lags_ms), detail=about),
        Figure(name=RSS, unit="MiB", better="lower", runs=tuple(rss_mib), detail=about),
    ]


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Who writes, and who uploads."""

    plan: Plan
    target: Target
    wires: Sequence[Wire]
    flights: Flights
    tokens: Sequence[str]

    async def pairs(self) -> list[Pair]:
        """The valid pairs of one run; each begins where the one before ended, so that what changes
        with time is on both sides.
        """
        found: list[Pair] = []
        for attempt in range(TRIES_PER_RUN * STRETCHES):
            if attempt % 2:
                busy = await self._busy()
                pair = Pair(await self._calm(), busy)
            else:
                calm = await self._calm()
                pair = Pair(calm, await self._busy())
            found += [pair] if pair.is_valid else []
            if len(found) == STRETCHES:
                break
        return found

    async def _calm(self) -> OpenRun:
        pacer = ConstantPacer(MESSAGES_S)
        return await loops.open_messages(
            self.wires, self.flights, pacer, self.plan, self.target.processes
        )

    async def _busy(self) -> OpenRun:
        async with uploading(self.target.media_url, self.tokens, UPLOAD_MIB_S):
            return await self._calm()


def _ratio(runs: Sequence[Sequence[Pair]], about: dict[str, Any]) -> Figure | LeftOut:
    p99s = [_p99s(pairs) for pairs in runs if pairs]
    if not p99s:
        return LeftOut(MESSAGES, "void: in all runs the generator was late", is_failure=False)
    by_run = [
        {"calm_p99_ms": rounded(1000 * calm), "busy_p99_ms": rounded(1000 * busy), "pairs": count}
        for calm, busy, count in p99s
    ]
    return Figure(
        name=MESSAGES,
        unit="of that without",
        better="lower",
        runs=tuple(busy / calm for calm, busy, _ in p99s),
        elsewhere=share_elsewhere([pair.calm.use for pairs in runs for pair in pairs]),
        detail={**about, "by_run": by_run},
    )


def _p99s(pairs: Sequence[Pair]) -> tuple[float, float, int]:
    calm = [latency_s for pair in pairs for latency_s in pair.calm.latencies_s]
    busy = [latency_s for pair in pairs for latency_s in pair.busy.latencies_s]
    return percentile(calm, 0.99), percentile(busy, 0.99), len(pairs)


async def _lags(target: Target) -> Histogram:
    """How often the media process's loop was at most so late, until now."""
    text = await asyncio.to_thread(_read, urljoin(target.media_url, "/metrics"))
    return histogram(text, LOOP_LAG)


def _read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read(), "utf-8")


def _p99(before: Histogram, after: Histogram) -> float:
    """Raises `BenchFailed` where nothing was counted."""
    told = find_p99(before, after)
    if told is None:
        raise BenchFailed("the media process does not tell how late its loop is")
    return told
