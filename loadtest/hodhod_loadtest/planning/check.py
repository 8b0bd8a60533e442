"""Does the model hold at a size that it was not given? Pure.

Each measured rate between two others is predicted from all others and compared with what was
measured there. A model that only repeats its own points would pass any other test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hodhod_loadtest.planning.curve import CostCurve, Load


@dataclass(frozen=True, slots=True)
class Held:
    """CPU of one message, in microseconds, at a rate of the whole server that was measured."""

    per_s: float
    predicted_us: float
    measured_us: float

    @property
    def off_by(self) -> float:
        """Predicted in terms of measured, less one."""
        return self.predicted_us / self.measured_us - 1


def leave_one_out(curve: CostCurve, gateways: int) -> list[Held]:
    """Each rate between the lowest and the highest, from all others."""
    inner = curve.loads[1:-1]
    return [
        _held(CostCurve([load for load in curve.loads if load is not left]), left, gateways)
        for left in inner
    ]


def against(curve: CostCurve, others: Sequence[Load], gateways: int) -> list[Held]:
    """Rates of another measurement, from this one's."""
    return list(_against(curve, others, gateways))


def _against(curve: CostCurve, others: Sequence[Load], gateways: int) -> Iterator[Held]:
    for load in others:
        yield _held(curve, load, gateways)


def _held(curve: CostCurve, load: Load, gateways: int) -> Held:
    predicted, measured = curve.total(load.per_s), load.total
    return Held(load.per_s * gateways, 1e6 * predicted / load.per_s, 1e6 * measured / load.per_s)
