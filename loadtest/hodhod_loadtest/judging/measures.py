"""What can be asked of a recording, by name: `message.p99_ms`, `signups.in_share`, `promises.kept`.

A name may end in `@` and the kind or name of a phase (`message.p99_ms@recovery`); without it a
measure speaks of the whole run but its warming up, and a ratio of the surge against the baseline.
The last word of a name carries its unit.
"""

from __future__ import annotations

import difflib
from typing import Final

from hodhod_loadtest.judging.estimates import Measure
from hodhod_loadtest.judging.of_counts import count_measures
from hodhod_loadtest.judging.of_latencies import latency_measures
from hodhod_loadtest.judging.of_server import server_measures

MEASURES: Final = {
    measure.name: measure
    for measure in (*latency_measures(), *count_measures(), *server_measures())
}
"""Every measure, by name."""


class UnknownMeasure(LookupError):
    """A scenario asks for something that nobody computes."""


def named(name: str) -> Measure:
    """Raises `UnknownMeasure`, with the nearest name that there is."""
    plain, _, stretch = name.partition("@")
    found = MEASURES.get(plain)
    if found is None:
        near = difflib.get_close_matches(plain, MEASURES, n=1)
        hint = f"; do you mean {near[0]!r}?" if near else ""
        raise UnknownMeasure(f"no measure is called {plain!r}{hint}")
    if not stretch:
        return found
    return Measure(
        name=name,
        unit=found.unit,
        about=found.about,
        compute=found.compute,
        is_cautious=found.is_cautious,
        at=stretch,
    )
