"""Two recordings side by side: which differences are real.

Each run's blocks are drawn anew by themselves, and the difference of each pair of draws is looked
at. Many comparisons find something by chance alone, so Holm's correction decides: of twenty
measures that did not change, one would look changed otherwise. It speaks of these two runs only:
what varies from run to run cannot be seen in one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy

from hodhod_loadtest.judging.bootstrap import interval
from hodhod_loadtest.judging.estimates import Estimate, Measure
from hodhod_loadtest.judging.evidence import Evidence
from hodhod_loadtest.judging.measures import named
from hodhod_loadtest.recording.model import Recording

RESAMPLES: Final = 4_000
"""So many that even the strictest of some eighty comparisons can be decided."""

ERROR: Final = 0.05
COMPARED: Final = (
    *(f"{kind}.{label}_ms" for kind in ("message", "ack") for label in ("p50", "p99", "p999")),
    "message.p99_ratio",
    *(f"{kind}.{label}_s" for kind in ("code", "signup") for label in ("p50", "p95")),
    *(f"return.{label}_ms" for label in ("p50", "p99")),
    "upload.p50_s",
    "reconnect.p99_s",
    "capacity.per_s",
    "signups.in_share",
    "returns.in_share",
    "promises.kept",
    "messages.per_s",
    "server.cores",
    "messages.lost",
    "errors.number",
    "refusals.number",
)
SETUP: Final = ("commit", "cpu", "cores", "memory_mib", "kernel", "python", "time_scale")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`low` and `high` are bounds of B - A, in the measure's unit; `None`: counted, not estimated.

    `chance` is Holm's: below 0.05 the difference is real.
    """

    measure: str
    unit: str
    a: float
    b: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None

    @property
    def is_real(self) -> bool:
        return self.chance is not None and self.chance < ERROR


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """`setups`: what of the environment differs, and so may be the cause."""

    differences: list[Difference]
    setups: dict[str, tuple[str, str]]

    @property
    def estimated(self) -> list[Difference]:
        """Those that were decided, and so are counted as comparisons."""
        return [difference for difference in self.differences if difference.chance is not None]

    @property
    def real(self) -> list[Difference]:
        """Those that are more than chance."""
        return [difference for difference in self.differences if difference.is_real]


def compare(a: Recording, b: Recording, names: Sequence[str] = COMPARED) -> Comparison:
    """Everything of these that both have."""
    first, second = Evidence(a, 1, RESAMPLES), Evidence(b, 2, RESAMPLES)
    found = []
    for measure in map(named, names):
        estimates = measure.of(first), measure.of(second)
        if estimates[0] is not None and estimates[1] is not None:
            found.append(_difference(measure, estimates[0], estimates[1]))
    corrected = holm([one.chance for one in found])
    return Comparison(
        differences=[
            msgspec.structs.replace(one, chance=chance)
            for one, chance in zip(found, corrected, strict=True)
        ],
        setups=_setups(a, b),
    )


def _difference(measure: Measure, a: Estimate, b: Estimate) -> Difference:
    told = Difference(measure=measure.name, unit=measure.unit, a=a.measured, b=b.measured)
    if a.draws is None or b.draws is None:
        return told
    finite = numpy.isfinite(a.draws) & numpy.isfinite(b.draws)
    if not finite.any():
        return told
    draws = b.draws[finite] - a.draws[finite]
    low, high = interval(draws)
    sides = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    chance = min(1.0, 2 * (sides + 1) / (len(draws) + 1))
    return msgspec.structs.replace(told, low=low, high=high, chance=chance)


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """The least chance times their number, the next times one less, and never falling."""
    known = sorted((chance, place) for place, chance in enumerate(chances) if chance is not None)
    corrected: list[float | None] = [None] * len(chances)
    least = 0.0
    for rank, (chance, place) in enumerate(known):
        least = max(least, min(1.0, chance * (len(known) - rank)))
        corrected[place] = least
    return corrected


def _setups(a: Recording, b: Recording) -> dict[str, tuple[str, str]]:
    told = {"scenario": (a.scenario, b.scenario), "seconds": (f"{a.seconds:g}", f"{b.seconds:g}")}
    told |= {key: (str(a.environment.get(key)), str(b.environment.get(key))) for key in SETUP}
    return {key: pair for key, pair in told.items() if pair[0] != pair[1]}
