"""Raising the load step by step until a goal is missed, and saying which part broke first.

The first step is at the chatters' own rate, after the phases of the scenario. Steps that held count
as the surge that goals are judged by; the one that broke is only shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from hodhod_loadtest.judging.verdict import find_measured
from hodhod_loadtest.recording.model import Phase, Recording, Sample
from hodhod_loadtest.running import settling
from hodhod_loadtest.running.casting import Pacing
from hodhod_loadtest.running.health import health
from hodhod_loadtest.running.scene import Scene
from hodhod_loadtest.scenarios.model import Growth, Scenario
from hodhod_loadtest.shapes.curve import Curve

CAPACITY: Final = "capacity.per_s"
BREATH_S: Final = 1.0
MANY_THREADS: Final = ("postgres", "valkey")


async def grow(scene: Scene, growth: Growth, started_s: float, phases: list[Phase]) -> None:
    """Adds a phase for each step; the capacity is counted under its name."""
    assert scene.inside is not None
    scenario, inside, recorder = scene.scenario, scene.inside, scene.recorder
    recorder.absorb(await inside.play(started_s, scenario.seconds, _pacings(scenario, 0.0, 1.0)))
    times, held_per_s = 1.0, 0
    for _ in range(growth.steps_max):
        from_s = math.ceil(recorder.now_s() + BREATH_S)
        per_s = round(_per_s(scenario, times))
        step = Phase(f"{per_s}/s", "surge", from_s, from_s + growth.step_s)
        phases.append(step)
        pacings = _pacings(scenario, from_s, times, growth.step_s)
        part = await inside.play(started_s, step.to_s, pacings)
        recorder.absorb(part)
        part.phases = [step]
        if why := find_break(scenario, part):
            phases[-1] = msgspec.structs.replace(step, kind="recovery")
            where = bottleneck(recorder.server, _counts(scene), step)
            recorder.happened("server", f"{step.name} broke {why}; busiest was {where}")
            break
        held_per_s, times = per_s, times * growth.factor
    else:
        recorder.happened("server", f"nothing broke up to {held_per_s}/s")
    recorder.count(CAPACITY, held_per_s)


def find_break(scenario: Scenario, part: Recording) -> str | None:
    """The goals that a step missed; or that nobody can tell, for the generator was late."""
    generator = health(part, scenario.stopwatch, 0.0, 1)
    if not generator.is_valid:
        return f"the generator: {generator.why}"
    missed = []
    for goal in scenario.slos:
        measured = None if goal.measure == CAPACITY else find_measured(part, goal.measure)
        if measured is not None and (
            measured > goal.goal if goal.is_most else measured < goal.goal
        ):
            missed.append(f"{goal.name} ({measured:.4g}, goal {goal.goal:g})")
    return ", ".join(missed) or None


def bottleneck(
    server: Mapping[str, Sequence[Sample]], processes: Mapping[str, int], step: Phase
) -> str:
    """The role whose processes were busiest meanwhile, each in terms of a core. Pure."""
    busiest, most = "nothing that was sampled", -1.0
    for role, samples in server.items():
        own = [sample for sample in samples if step.from_s < sample.at_s <= step.to_s + 1]
        if not own:
            continue
        busy = sum(sample.cpu_s for sample in own) / len(own) / max(1, processes.get(role, 1))
        lag_ms = max((sample.loop_lag_p99_ms or 0.0 for sample in own), default=0.0)
        if busy > most:
            late = "" if role in MANY_THREADS else f", its loop up to {lag_ms:g} ms late (p99)"
            busiest, most = f"{role}: {busy:.0%} of a core{late}", busy
    return busiest


def _counts(scene: Scene) -> dict[str, int]:
    return {role: scene.processes.count(role) for role in scene.recorder.server}


def _per_s(scenario: Scenario, times: float) -> float:
    return times * sum(crowd.per_s for crowd in settling.insiders(scenario))


def _pacings(
    scenario: Scenario, from_s: float, times: float, seconds: float | None = None
) -> list[Pacing]:
    """Everybody who is inside, at so many times their rate."""
    lasting_s = scenario.seconds if seconds is None else seconds
    return [
        Pacing(from_s=from_s, points=[*Curve.constant(times * crowd.per_s, lasting_s).points])
        for crowd in settling.insiders(scenario)
    ]
