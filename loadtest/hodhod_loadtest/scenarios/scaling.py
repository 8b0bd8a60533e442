"""A scenario as it is played: with so many times the people, in so many times the time. Pure."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hodhod_loadtest.scenarios.model import (
    AnyCrowd,
    AnyFault,
    BadLink,
    Bots,
    Chatters,
    Lurkers,
    Newcomers,
    Outage,
    Pause,
    Returners,
    Scale,
    Scenario,
    Stretch,
    Uploaders,
)

BASELINE_S_LEAST: Final = 30.0
"""A p99 of fewer messages than come in that says little, and all ratios have it below them."""


def scaled(scenario: Scenario, scale: Scale) -> Scenario:
    """Everything that people do is scaled together; a rate of messages knows no time, arrivals do.

    The result is as long as it says: its own scale is 1.
    """
    return replace(
        scenario,
        scale=Scale(),
        phases=[replace(phase, seconds=phase.seconds * scale.time) for phase in scenario.phases],
        crowds=[_crowd(crowd, scale.people) for crowd in scenario.crowds],
        faults=[_fault(fault, scale.time) for fault in scenario.faults],
    )


def shortened(scenario: Scenario, share: float) -> Scenario:
    """The same for a share of the time, neither steeper nor flatter: as many come a second.

    What everything is compared with keeps `BASELINE_S_LEAST`, if it had as much.
    """
    return replace(
        scenario,
        phases=[_shorter_phase(phase, share) for phase in scenario.phases],
        crowds=[_shorter(crowd, share) for crowd in scenario.crowds],
        faults=[
            replace(_fault(fault, share), at_s=_moved_s(scenario, share, fault.at_s))
            for fault in scenario.faults
        ],
    )


def _shorter_phase(phase: Stretch, share: float) -> Stretch:
    least_s = BASELINE_S_LEAST if phase.kind == "baseline" else 0.0
    return replace(phase, seconds=max(phase.seconds * share, min(phase.seconds, least_s)))


def _moved_s(scenario: Scenario, share: float, at_s: float) -> float:
    """The same moment of the same phase."""
    moved_s = 0.0
    for phase in scenario.phases:
        shorter_s = _shorter_phase(phase, share).seconds
        if at_s <= phase.seconds:
            return moved_s + at_s * shorter_s / phase.seconds
        at_s -= phase.seconds
        moved_s += shorter_s
    return moved_s + at_s * share


def _shorter(crowd: AnyCrowd, share: float) -> AnyCrowd:
    match crowd:
        case Newcomers() | Returners():
            return replace(crowd, people=_count(crowd.people, share))
        case Bots():
            return replace(crowd, starts=_count(crowd.starts, share))
        case _:
            return crowd  # they have rates


def _crowd(crowd: AnyCrowd, times: float) -> AnyCrowd:
    match crowd:
        case Chatters():
            return replace(crowd, pairs=_count(crowd.pairs, times), per_s=crowd.per_s * times)
        case Lurkers():
            members = _count(crowd.members, times)
            return replace(crowd, people=min(members, _count(crowd.people, times)), members=members)
        case Uploaders():
            return replace(crowd, people=_count(crowd.people, times), per_s=crowd.per_s * times)
        case Bots():
            addresses = _count(crowd.addresses, times)
            return replace(crowd, starts=_count(crowd.starts, times), addresses=addresses)
        case _:
            return replace(crowd, people=_count(crowd.people, times))


def _count(count: int, times: float) -> int:
    return max(1, round(count * times))


def _fault(fault: AnyFault, times: float) -> AnyFault:
    if isinstance(fault, Pause):
        fault = replace(fault, every_s=fault.every_s * times)
    if isinstance(fault, Pause | BadLink | Outage):
        return replace(fault, at_s=fault.at_s * times, for_s=fault.for_s * times)
    return replace(fault, at_s=fault.at_s * times)
