"""Which measures there are, and how a run of them is told and written."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from hodhod_loadtest.bench import (
    measure_crowding,
    measure_files,
    measure_groups,
    measure_growth,
    measure_messages,
    measure_overload,
    measure_people,
    measure_refusals,
    measure_signups,
    measure_steps,
)
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut
from hodhod_loadtest.bench.pacing import ticking_loop
from hodhod_loadtest.bench.target import Plan
from hodhod_loadtest.local_server import ServerFailed

OPEN_FILES: Final = 65_536

Measure = Callable[[Plan], Coroutine[None, None, Sequence[Figure | LeftOut]]]


@dataclass(frozen=True, slots=True)
class Bench:
    """A measure and the figures that it gives."""

    names: tuple[str, ...]
    measure: Measure
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop


BENCHES: Final = (
    Bench((measure_messages.DURABLE,), measure_messages.durable),
    *(
        Bench((name,), measure, ticking_loop)
        for name, measure in measure_messages.OPEN_LOOPS.items()
    ),
    Bench((measure_steps.COST,), measure_steps.steps),
    Bench((measure_groups.FANOUT,), measure_groups.fanout),
    Bench((measure_groups.LARGE_POST,), measure_groups.large_post),
    Bench((measure_overload.GOODPUT,), measure_overload.overload),
    Bench((measure_growth.HISTORY, measure_growth.CHATS), measure_growth.log),
    Bench((measure_growth.MEMBERS,), measure_growth.members),
    Bench((measure_growth.ONLINE,), measure_growth.online),
    Bench((measure_people.IDLE,), measure_people.idle),
    Bench((measure_people.CONNECTS,), measure_people.connects),
    Bench((measure_signups.SIGNUPS,), measure_signups.signups, uvloop.new_event_loop),
    Bench((measure_refusals.REFUSALS,), measure_refusals.refusals, uvloop.new_event_loop),
    Bench(
        (
            measure_files.UPLOAD,
            measure_files.UPLOAD_RSS,
            measure_files.DOWNLOAD,
            measure_files.UPLOAD_SHARE,
            measure_files.DOWNLOAD_SHARE,
        ),
        measure_files.files,
    ),
    Bench(
        (measure_crowding.MESSAGES, measure_crowding.LAG, measure_crowding.RSS),
        measure_crowding.crowding,
        ticking_loop,
    ),
)
NAMES: Final = tuple(name for bench in BENCHES for name in bench.names)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    figures: list[Figure]
    left_out: list[LeftOut]

    @property
    def has_failed(self) -> bool:
        """A void measurement is no failure; something that broke is."""
        return any(item.is_failure for item in self.left_out)


def run(plan: Plan, only: Collection[str] = ()) -> Outcome:
    """Take the figures with these names, or all; one that fails does not stop the others."""
    allow_many_sockets()
    outcome = Outcome([], [])
    for bench in BENCHES:
        wanted = [name for name in bench.names if not only or name in only]
        if not wanted:
            continue
        try:
            with asyncio.Runner(loop_factory=bench.loop) as runner:
                results = runner.run(bench.measure(plan))
        except* (BenchFailed, ServerFailed, OSError, TimeoutError) as failed:
            why = f"failed: {first_reason(failed)}"
            outcome.left_out.extend(LeftOut(name, why, is_failure=True) for name in wanted)
        else:
            told = [result for result in results if result.name in wanted]
            outcome.figures.extend(item for item in told if isinstance(item, Figure))
            outcome.left_out.extend(item for item in told if isinstance(item, LeftOut))
    return outcome


def first_reason(failed: BaseException) -> str:
    """The first reason, of however many that came together."""
    while isinstance(failed, BaseExceptionGroup):
        failed = failed.exceptions[0]
    return str(failed) or type(failed).__name__


def allow_many_sockets() -> None:
    """For us, and for the servers that we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def write(outcome: Outcome, plan: Plan, about: dict[str, object], out: Path) -> Path:
    """The figures to `out`, and where and how they were taken to a file beside it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _write_json(out, [figure.as_json() for figure in outcome.figures])
    beside = out.with_name(f"{out.stem}-environment.json")
    left_out = [{"name": item.name, "why": item.why} for item in outcome.left_out]
    how = {"runs": plan.runs, "seconds": plan.seconds, "warm_up_s": plan.warm_up_s}
    _write_json(beside, {**about, **how, "left_out": left_out})
    return beside


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
