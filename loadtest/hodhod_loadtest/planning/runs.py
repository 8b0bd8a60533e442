"""What messages cost in a run of a scenario: its quiet phase, in which nobody signs up. Pure."""

from __future__ import annotations

from typing import Final

from hodhod_loadtest.planning.costs import NothingMeasured
from hodhod_loadtest.planning.curve import Load
from hodhod_loadtest.recording.model import Recording

QUIET: Final = "baseline"
MESSAGES: Final = "message"


def load_of(recording: Recording) -> Load:
    """For each gateway process, as a curve has it. Raises `NothingMeasured`.

    A run without phases is taken as a whole; a server under test has a gateway for each core.
    """
    spans = [(phase.from_s, phase.to_s) for phase in recording.phases if phase.kind == QUIET]
    if not recording.phases:
        spans = [(0.0, recording.seconds)]
    seconds = sum(to_s - from_s for from_s, to_s in spans)

    def is_in(at_s: float) -> bool:
        return any(from_s <= at_s < to_s for from_s, to_s in spans)

    slices = recording.latencies.get(MESSAGES, [])
    messages = sum(piece.count for piece in slices if is_in(piece.at_s))
    used_s = {  # a sample tells of the second before it
        role: sum(sample.cpu_s for sample in samples if is_in(sample.at_s - 0.5))
        for role, samples in recording.server.items()
    }
    if not messages or not sum(used_s.values()):
        raise NothingMeasured("the run has no quiet phase with messages and CPU of the server")
    gateways = int(recording.environment.get("cores", 1))
    return Load(
        messages / seconds / gateways,
        {role: used / seconds / gateways for role, used in used_s.items()},
    )
