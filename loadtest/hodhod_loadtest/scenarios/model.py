"""What a scenario says. Pure; `loading.py` reads it from TOML.

Seconds are those of the file: `scale.time` says how many seconds of the run one of them lasts, and
`scale.people` how many times as many people come. What people and carriers take for themselves,
such as typing or delivering a text, is never scaled.

Always true after loading: crowds name phases that exist and follow one another, faults name
carriers that exist, and rates are not negative.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from hodhod_loadtest.recording.model import Phase, Slo
from hodhod_loadtest.scenarios.shapes import Constant, Shape

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]
Setting = str | int | float | bool | list[str | int]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any table of a scenario: a word that it does not know is a mistake."""


class Stretch(Part, frozen=True, kw_only=True):
    """A phase. Ratios compare `surge` with `baseline`; `warm` and `recovery` are only shown."""

    name: Name
    kind: Literal["warm", "baseline", "surge", "recovery"]
    seconds: Positive


class Scale(Part, frozen=True, kw_only=True):
    """How many times as many people, in how many times the time."""

    people: Positive = 1.0
    time: Positive = 1.0


class Crowd(Part, frozen=True, kw_only=True, tag_field="who"):
    """Some who do the same. They come in `phases`, in all if none is named."""

    phases: list[str] = []
    shape: Shape = field(default_factory=Constant)


class Newcomers(Crowd, frozen=True, kw_only=True, tag="newcomers"):
    """They sign up. `typing_s`: from a text's arrival until its code is typed."""

    people: Count
    typing_s: tuple[NotNegative, NotNegative] = (5.0, 12.0)
    mistyped: Share = 0.0
    """So many type another code first."""

    persian_digits: Share = 0.0
    """So many have a Persian keyboard."""

    offline: Share = 0.0
    """So many lose the network for two to twenty seconds while they wait."""


class Returners(Crowd, frozen=True, kw_only=True, tag="returners"):
    """They were here before; one in five has been away for longer than a refresh token lasts."""

    people: Count


class Bots(Crowd, frozen=True, kw_only=True, tag="bots"):
    """They ask for codes and enter none."""

    starts: Count
    addresses: Count


class Chatters(Crowd, frozen=True, kw_only=True, tag="chatters"):
    """Pairs of people who are inside: `per_s` messages in all, at times of their own."""

    pairs: Count
    per_s: Positive


class Lurkers(Crowd, frozen=True, kw_only=True, tag="lurkers"):
    """A group of `members`, of whom `people` are online and read `per_s` posts of one of them."""

    people: Count
    members: Count
    per_s: Positive


class Uploaders(Crowd, frozen=True, kw_only=True, tag="uploaders"):
    """People who send files of `mib`, `per_s` of them a second, each at `mib_per_s`."""

    people: Count
    per_s: Positive
    mib: Positive
    mib_per_s: Positive


AnyCrowd = Newcomers | Returners | Bots | Chatters | Lurkers | Uploaders


class Behaviour(Part, frozen=True, kw_only=True):
    """What a carrier does with texts; shares are of 1 (`carriers/law.py` explains each)."""

    median_s: Positive = 4.0
    sigma: NotNegative = 0.45
    slow: Share = 0.03
    slow_from_s: NotNegative = 40.0
    slow_to_s: NotNegative = 400.0
    lost: Share = 0.05
    hanging: Share = 0.0
    lying: Share = 0.0
    receipt_s: NotNegative = 2.0


class Carrier(Part, frozen=True, kw_only=True):
    """One provider of texts. `spare`: what it agreed to take, in terms of the newcomers' peak."""

    name: Name
    kind: Literal["kavenegar", "smsir", "ghasedak"]
    spare: Positive = 1.0
    takes: Positive | None = None
    """What it really takes, in the same terms; more is throttled."""

    channel: Literal["sms", "voice"] = "sms"
    listens: bool = False
    """Do people's texts to our line come by this one?"""

    law: Behaviour = field(default_factory=Behaviour)


class Fault(Part, frozen=True, kw_only=True, tag_field="what"):
    """Something that is done to the server at a moment of the file's time."""

    at_s: NotNegative


class Kill(Fault, frozen=True, kw_only=True, tag="kill"):
    """`kill -9` of a process, by name or role: `gateway-0`, `signup`, `postgres`, `valkey` …"""

    whom: Name


class Restart(Fault, frozen=True, kw_only=True, tag="restart"):
    """SIGTERM, as an upgrade does it; the supervisor starts it again."""

    whom: Name


class Pause(Fault, frozen=True, kw_only=True, tag="pause"):
    """Stopped and not dead: what a full disk or a swapping machine looks like from outside.

    `times` of them, one `every_s`.
    """

    whom: Name
    for_s: Positive
    times: Count = 1
    every_s: Positive = 1.0


class BadLink(Fault, frozen=True, kw_only=True, tag="link"):
    """The way from people inside to the gateways: later by `delay_ms`, or broken again and again
    after `cut_after_s`."""

    for_s: Positive
    delay_ms: NotNegative = 0.0
    cut_after_s: Positive | None = None


class Outage(Fault, frozen=True, kw_only=True, tag="provider"):
    """A carrier takes everything and delivers nothing (`silent`), or says that it is `broken`."""

    whom: Name
    how: Literal["silent", "broken"]
    for_s: Positive


AnyFault = Kill | Restart | Pause | BadLink | Outage


class Goal(Slo, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An SLO of a recording, where an unknown word is a mistake."""


class Stopwatch(Part, frozen=True, kw_only=True):
    """What is asked of the generator; later than this, a run is void."""

    lag_p99_ms_max: Positive = 20.0
    newcomers_lag_p99_ms_max: Positive = 50.0
    """They wait seconds for a text anyway, and share their process with the carriers."""

    patience_s: Positive = 600.0
    """How long those who came last are waited for after the last phase."""


class Control(Part, frozen=True, kw_only=True):
    """The same again with all roles in one process, to see that the promise is not for free."""

    share: Share
    """Of people and time, so that it is as steep and shorter."""

    patience_s: Positive = 60.0


class Growth(Part, frozen=True, kw_only=True):
    """The chatters' rate grows step by step until a goal of the scenario is missed."""

    factor: Annotated[float, Meta(gt=1)] = 1.3
    step_s: Positive = 10.0
    steps_max: Count = 20


class Scenario(Part, frozen=True, kw_only=True):
    """The whole file, and its name."""

    about: Name
    phases: Annotated[list[Stretch], Meta(min_length=1)]
    crowds: Annotated[list[AnyCrowd], Meta(min_length=1)]
    name: str = ""
    seed: int = 1
    scale: Scale = field(default_factory=Scale)
    carriers: list[Carrier] = []
    faults: list[AnyFault] = []
    slos: list[Goal] = []
    server: dict[str, dict[str, Setting]] = {}
    gateways: Count | None = None
    """How many gateways, where not one for each core."""

    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    control: Control | None = None
    growth: Growth | None = None

    @property
    def seconds(self) -> float:
        """How long all phases last."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def timeline(self) -> list[Phase]:
        """The phases with their times."""
        told, at_s = list[Phase](), 0.0
        for phase in self.phases:
            told.append(Phase(phase.name, phase.kind, at_s, at_s + phase.seconds))
            at_s += phase.seconds
        return told

    def window(self, crowd: AnyCrowd) -> tuple[float, float]:
        """From when until when a crowd comes."""
        own = [phase for phase in self.timeline if phase.name in crowd.phases or not crowd.phases]
        return own[0].from_s, own[-1].to_s

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings of the server as it reads them from the environment."""
        return {
            f"HODHOD__{section}__{key}".upper(): value if isinstance(value, str) else _json(value)
            for section, settings in self.server.items()
            for key, value in settings.items()
        }

    @property
    def newcomers_peak_per_s(self) -> float:
        """What carriers are measured by."""
        peaks = [
            crowd.shape.curve(crowd.people, to_s - from_s).peak_per_s
            for crowd in self.crowds
            if isinstance(crowd, Newcomers)
            for from_s, to_s in [self.window(crowd)]
        ]
        return sum(peaks)


def _json(value: float | bool | Sequence[str | int]) -> str:
    return json.dumps(value)
