"""The carriers of a scenario, as the street opens them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from hodhod_loadtest.carriers.law import FOREVER, Law, Span
from hodhod_loadtest.carriers.street import Line
from hodhod_loadtest.scenarios.model import AnyFault, Carrier, Outage, Scenario

AGREED_PER_S_MIN: Final = 5.0
"""So small a run is that its peak would be no agreement at all."""


def lines(scenario: Scenario) -> tuple[Line, ...]:
    """Each with the law that its faults make."""
    return tuple(_line(scenario, carrier) for carrier in scenario.carriers)


def _line(scenario: Scenario, carrier: Carrier) -> Line:
    peak_per_s, faults = scenario.newcomers_peak_per_s, scenario.faults
    takes = carrier.takes
    law = Law(
        rate_per_s=FOREVER if takes is None else peak_per_s * takes,
        silent=_spans(faults, carrier.name, "silent"),
        broken=_spans(faults, carrier.name, "broken"),
        **msgspec.structs.asdict(carrier.law),
    )
    return Line(
        name=carrier.name,
        kind=carrier.kind,
        law=law,
        agreed_per_s=max(AGREED_PER_S_MIN, peak_per_s * carrier.spare),
        channel=carrier.channel,
        listens=carrier.listens,
    )


def _spans(faults: Sequence[AnyFault], carrier: str, how: str) -> tuple[Span, ...]:
    """When a carrier misbehaves in this way."""
    return tuple(
        Span(fault.at_s, fault.at_s + fault.for_s)
        for fault in faults
        if isinstance(fault, Outage) and (fault.whom, fault.how) == (carrier, how)
    )
