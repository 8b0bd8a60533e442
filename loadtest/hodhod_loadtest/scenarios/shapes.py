"""The shapes that a scenario can name, each a curve once it is known how many come in what time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hodhod_loadtest.shapes.curve import Curve

_Rate = Annotated[float, Meta(ge=0)]


class _Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Rates are relative: how many come in all is the crowd's business."""

    def curve(self, count: float, seconds: float) -> Curve:
        """So many in that time."""
        drawn = self._drawn(seconds)
        return drawn.squeezed(people=count / drawn.total)

    def _drawn(self, seconds: float) -> Curve:
        raise NotImplementedError


class Constant(_Shape, frozen=True, tag="constant"):
    """The same all the time."""

    def _drawn(self, seconds: float) -> Curve:
        return Curve.constant(1.0, seconds)


class Ramp(_Shape, frozen=True, kw_only=True, tag="ramp"):
    """From one rate to another."""

    first: _Rate
    last: _Rate

    def _drawn(self, seconds: float) -> Curve:
        return Curve.ramp(self.first, self.last, seconds)


class Spike(_Shape, frozen=True, kw_only=True, tag="spike"):
    """`times` as many from one share of the time on, for another share of it."""

    times: _Rate
    at: Annotated[float, Meta(ge=0, le=1)]
    lasting: Annotated[float, Meta(gt=0, le=1)]

    def _drawn(self, seconds: float) -> Curve:
        lasting_s = min(self.lasting, 1 - self.at) * seconds
        return Curve.spike(1.0, self.times, seconds, self.at * seconds, lasting_s)


class FrontLoaded(_Shape, frozen=True, tag="front_loaded"):
    """Three of five in the first third, as after the news."""

    def _drawn(self, seconds: float) -> Curve:
        return Curve.front_loaded(1, seconds)


class Replay(_Shape, frozen=True, kw_only=True, tag="replay"):
    """As it was once counted: how many came in each of so many equal intervals."""

    counts: Annotated[list[_Rate], Meta(min_length=1)]

    def _drawn(self, seconds: float) -> Curve:
        return Curve.replay(self.counts, seconds / len(self.counts))


Shape = Constant | Ramp | Spike | FrontLoaded | Replay
