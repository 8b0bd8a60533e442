"""One scenario, played: everybody acts when it is their time, and all of it is recorded.

Newcomers, returning people, bots and the carriers are in this process; those who are inside are in
others (`inside.py`), so that nobody disturbs the stopwatch of messages. One moment of the clock
that all share is second 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

from hodhod_loadtest.bench.environment import environment
from hodhod_loadtest.recording.model import Recording, Slo
from hodhod_loadtest.running import growing, settling
from hodhod_loadtest.running.casting import Pacing
from hodhod_loadtest.running.faulting import Faults
from hodhod_loadtest.running.health import health
from hodhod_loadtest.running.outside import Visit, visits
from hodhod_loadtest.running.sampling import Sampler
from hodhod_loadtest.running.scene import Scene, Setting, open_scene
from hodhod_loadtest.scenarios.model import Scenario
from hodhod_loadtest.signups.punctuality import calm_collector
from hodhod_loadtest.watching.moment import Moment, Waits
from hodhod_server.domain.clock import SystemClock

BEGIN_S: Final = 2.0
"""Between everybody being ready and second 0: those inside draw their curves meanwhile."""

LONG_S: Final = 3600.0
LANDING_S: Final = 40.0  # at most, between two steps of growth
_CLOCK: Final = SystemClock()


Show = Callable[[Moment], None]


def _unwatched(moment: Moment) -> None:
    """Nobody looks."""


async def play(
    scenario: Scenario,
    command: str,
    setting: Setting | None = None,
    *,
    patience_s: float | None = None,
    show: Show = _unwatched,
) -> Recording:
    """A scenario that is scaled already. Raises `ServerFailed`, `InsideFailed`, `ConnectionError`,
    while it is played in a group.

    `patience_s`: how long those who came last are waited for, if not as the scenario says.
    """
    setting = setting or Setting()
    about = await asyncio.to_thread(environment)
    async with open_scene(scenario, setting) as scene:
        ready = await visits(scene)
        patience_s = scenario.stopwatch.patience_s if patience_s is None else patience_s
        run = _Run(scene, ready, patience_s, show)
        used_s, started_at = time.process_time(), _CLOCK.now().isoformat(timespec="seconds")
        with calm_collector():
            await run.play()
        used_s = time.process_time() - used_s
        recording = Recording(
            scenario=scenario.name,
            seed=scenario.seed,
            command=command,
            started_at=started_at,
            seconds=round(scene.recorder.now_s(), 3),
            environment={
                **_flat(about),
                "one_process": setting.is_one_process,
                "generator_is_real_time": run.is_real_time,
            },
            phases=run.phases,
            slos=[Slo(**msgspec.structs.asdict(goal)) for goal in scenario.slos],
        )
    await asyncio.to_thread(scene.recorder.finish, recording)
    processes = 1
    if scene.inside is not None:
        used_s += scene.inside.cpu_s
        processes += len(scene.inside.players)
    recording.generator = health(recording, scenario.stopwatch, used_s, processes)
    return recording


def _flat(about: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    return {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in about.items()
    }


class _Run:
    """A run from second 0 to the last who comes."""

    def __init__(self, scene: Scene, ready: Sequence[Visit], patience_s: float, show: Show) -> None:
        self.phases = scene.scenario.timeline
        self._scene = scene
        self._visits = ready
        self._patience_s = patience_s
        self._show = show
        self._started_s = 0.0

    @property
    def is_real_time(self) -> bool:
        """Had those who are inside priority over the server?"""
        inside = self._scene.inside
        return inside is not None and inside.latest.is_real_time

    async def play(self) -> None:
        """Everybody at their time; what watches ends with them."""
        scene = self._scene
        sampler = Sampler(scene.server.data_dir, scene.processes, scene.recorder)
        faults = Faults(scene)
        self._started_s = time.monotonic() + BEGIN_S
        scene.recorder.begin(self._started_s)
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(self._at(0.0, action))
                for action in (sampler.run, faults.run, self._keep_telling, self._begin_laws)
            ]
            await self._act()
            for visit in self._visits:
                await visit.tell()
            for carrier, taken in scene.street.sent.items():
                scene.recorder.count(f"texts.{carrier}", taken)
            for task in beside:
                task.cancel()

    async def _act(self) -> None:
        growth = self._scene.scenario.growth
        grown_s = 0.0 if growth is None else growth.steps_max * (growth.step_s + LANDING_S)
        over_s = self._scene.scenario.seconds + grown_s + self._patience_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._started_s + over_s - time.monotonic()):
                async with asyncio.TaskGroup() as tasks:
                    for visit in self._visits:
                        tasks.create_task(self._at(visit.from_s, visit.act))
                    tasks.create_task(self._inside())

    async def _inside(self) -> None:
        scene = self._scene
        if scene.inside is None:
            await self._at(scene.scenario.seconds, _nothing)
            return
        growth = scene.scenario.growth
        if growth is not None:
            await growing.grow(scene, growth, self._started_s, self.phases)
            return
        pacings = [
            Pacing(from_s=from_s, points=[*settling.rates(crowd, to_s - from_s)])
            for crowd in settling.insiders(scene.scenario)
            for from_s, to_s in [scene.scenario.window(crowd)]
        ]
        part = await scene.inside.play(self._started_s, scene.scenario.seconds, pacings)
        scene.recorder.absorb(part)

    async def _at(self, from_s: float, action: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(max(0.0, self._started_s + from_s - time.monotonic()))
        await action()

    async def _begin_laws(self) -> None:
        self._scene.street.begin()

    async def _keep_telling(self) -> None:
        scene = self._scene
        is_long = scene.scenario.seconds > LONG_S
        while True:
            await asyncio.sleep(1.0)
            if is_long:
                scene.recorder.fold()
            at_s = scene.recorder.now_s()
            inside, happenings = scene.inside, scene.recorder.happenings
            latest = None if inside is None else inside.latest
            self._show(
                Moment(
                    at_s=at_s,
                    of_s=scene.scenario.seconds,
                    phase=self._phase(at_s),
                    counts=scene.recorder.totals() | (dict(latest.counts) if latest else {}),
                    waits={"message": Waits(p99_ms=latest.message_p99_ms)} if latest else {},
                    lag_p99_ms=latest.lag_p99_ms if latest else None,
                    lag_most_ms=scene.scenario.stopwatch.lag_p99_ms_max,
                    happened=next((one.what for one in reversed(happenings)), ""),
                )
            )

    def _phase(self, at_s: float) -> str:
        current = (phase.name for phase in self.phases if phase.from_s <= at_s < phase.to_s)
        return next(current, "the last ones")


async def _nothing() -> None:
    """A run without anybody inside lasts as long as it says, too."""
