"""A scenario as it is played: with so many times the people, in so many times the time. Pure."""

from __future__ import annotations

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
    Uploaders,
)


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
    """The same for a share of the time, neither steeper nor flatter: as many come a second."""
    return replace(
        scenario,
        phases=[replace(phase, seconds=phase.seconds * share) for phase in scenario.phases],
        crowds=[_shorter(crowd, share) for crowd in scenario.crowds],
        faults=[_fault(fault, share) for fault in scenario.faults],
    )


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
