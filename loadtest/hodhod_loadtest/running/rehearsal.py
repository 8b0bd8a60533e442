"""A scenario as it is asked for: scaled, played, and once more without isolation to compare."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from hodhod_loadtest.recording.model import Recording
from hodhod_loadtest.running.run import play
from hodhod_loadtest.running.scene import Setting
from hodhod_loadtest.scenarios.model import Scale, Scenario
from hodhod_loadtest.scenarios.scaling import scaled, shortened
from hodhod_loadtest.watching.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How somebody wants it; what is `None` is as the scenario says."""

    name: str
    out: Path
    scale_people: float | None = None
    scale_time: float | None = None
    real_time: bool = False
    share: float = 1.0
    """A shorter stretch, as steep."""

    seed: int | None = None
    without_control: bool = False
    generators: int = 1
    """Processes that play those who are inside."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the server besides those of the scenario."""

    def scale(self, own: Scale) -> Scale:
        """The scenario's own, but for what was asked for."""
        time = 1.0 if self.real_time else own.time
        return Scale(people=self.scale_people or own.people, time=self.scale_time or time)

    def command(self, seed: int, scale: Scale) -> str:
        """What reproduces the run."""
        words = ["hodhod-loadtest", "run", self.name, "--seed", str(seed)]
        words += ["--scale-people", f"{scale.people:g}", "--scale-time", f"{scale.time:g}"]
        if self.share != 1:
            words += ["--share", f"{self.share:g}"]
        if self.generators != 1:
            words += ["--generators", str(self.generators)]
        return shlex.join(words)


async def rehearse(scenario: Scenario, options: Options, view: View) -> Recording:
    """The whole of it. Raises as `play`."""
    scale = options.scale(scenario.scale)
    seed = scenario.seed if options.seed is None else options.seed
    scenario = msgspec.structs.replace(scenario, seed=seed)
    command = options.command(seed, scale)
    view.say(f"{scenario.name}: {scenario.about}")
    played = shortened(scaled(scenario, scale), options.share)
    setting = Setting(environment=options.environment, generators=options.generators)
    recording = await play(played, command, setting, show=view.show)
    control = scenario.control
    if control is not None and not options.without_control:
        view.say("the same for a shorter time, with all roles in one process")
        recording.control = await play(
            shortened(played, control.share),
            command,
            replace(setting, is_one_process=True),
            patience_s=control.patience_s,
            show=view.show,
        )
    return recording
