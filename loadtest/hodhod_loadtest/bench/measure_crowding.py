"""What ten uploads at once do to others: to messages, to the media process's loop and its memory.

Stretches with and without uploads take turns in one run, so that a machine that changes its mind
does so for both. The uploads come at a pace (`UPLOAD_MIB_S` each): ten phones, not ten disks.
"""

from __future__ import annotations

import asyncio
import math
import re
import urllib.request
from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin

from hodhod_loadtest.bench import loops
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut, percentile, rounded
from hodhod_loadtest.bench.flights import Flights, Wire, connected
from hodhod_loadtest.bench.loops import OpenRun
from hodhod_loadtest.bench.pacing import ConstantPacer
from hodhod_loadtest.bench.people import pair_up
from hodhod_loadtest.bench.target import Plan, Target, open_target
from hodhod_loadtest.bench.uploader import uploading

MESSAGES: Final = "message_p99_during_uploads_ratio"
LAG: Final = "media_loop_lag_p99_ms"
RSS: Final = "ten_uploads_rss_mib"
UPLOADS: Final = 10
UPLOAD_MIB_S: Final = 2.0
MESSAGES_S: Final = 1000
STRETCHES: Final = 2
_BUCKET: Final = re.compile(r'^hodhod_loop_lag_seconds_bucket\{.*?le="([^"]+)"\} (\S+)$', re.M)


async def crowding(plan: Plan) -> list[Figure | LeftOut]:
    """Messages with and without uploads, in turns."""
    ratios: list[float] = []
    lags_ms: list[float] = []
    rss_mib: list[float] = []
    details: list[dict[str, object]] = []
    async with open_target(plan) as target:
        people = await target.newcomers.many(2 * plan.pairs)
        pairs = await pair_up(people, target.api_url)
        tokens = [pair.writer.token for pair in pairs[:UPLOADS]]
        async with connected(pairs, target.door) as (wires, flights):
            for number in range(1, plan.runs + 1):
                plan.tell(f"{MESSAGES}: run {number} of {plan.runs}")
                calm, busy = list[float](), list[float]()
                target.processes.forget_peaks("media")
                before = await _lags(target)
                for _ in range(STRETCHES):
                    calm += (await _messages(plan, target, wires, flights)).latencies_s
                    async with uploading(target.media_url, tokens, UPLOAD_MIB_S):
                        busy += (await _messages(plan, target, wires, flights)).latencies_s
                lags_ms.append(1000 * _p99(before, await _lags(target)))
                rss_mib.append(target.processes.peak_rss_kib("media") / 1024)
                ratios.append(percentile(busy, 0.99) / percentile(calm, 0.99))
                details.append(_told(calm, busy))
    about = {"uploads": UPLOADS, "mib_s_each": UPLOAD_MIB_S, "messages_s": MESSAGES_S}
    return [
        Figure(
            name=MESSAGES,
            unit="of that without",
            better="lower",
            runs=tuple(ratios),
            detail={**about, "by_run": details},
        ),
        Figure(name=LAG, unit="ms", better="lower", runs=tuple(lags_ms), detail=about),
        Figure(name=RSS, unit="MiB", better="lower", runs=tuple(rss_mib), detail=about),
    ]


def _told(calm: Sequence[float], busy: Sequence[float]) -> dict[str, object]:
    return {
        "calm_p99_ms": rounded(1000 * percentile(calm, 0.99)),
        "busy_p99_ms": rounded(1000 * percentile(busy, 0.99)),
    }


async def _messages(plan: Plan, target: Target, wires: Sequence[Wire], flights: Flights) -> OpenRun:
    pacer = ConstantPacer(MESSAGES_S)
    return await loops.open_messages(wires, flights, pacer, plan, target.processes)


async def _lags(target: Target) -> dict[float, float]:
    """How often the media process's loop was at most so late, until now."""
    text = await asyncio.to_thread(_read, urljoin(target.media_url, "/metrics"))
    return {float(edge): float(count) for edge, count in _BUCKET.findall(text)}


def _read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read(), "utf-8")


def _p99(before: dict[float, float], after: dict[float, float]) -> float:
    """The edge of the bucket that has it. Raises `BenchFailed` where nothing was counted."""
    counts = {edge: after[edge] - before.get(edge, 0.0) for edge in sorted(after)}
    total = counts.get(math.inf, 0.0)
    if not total:
        raise BenchFailed("the media process does not tell how late its loop is")
    return next(edge for edge, count in counts.items() if count >= 0.99 * total)
