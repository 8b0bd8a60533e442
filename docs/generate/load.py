"""What the goals of a load test's scenario may speak of, from the registry itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hodhod_loadtest.judging.measures import MEASURES
from hodhod_loadtest.judging.of_latencies import KINDS, QUANTILES
from hodhod_loadtest.judging.of_server import ROLES

UNITS: Final = {
    "ms": "ms",
    "s": "s",
    "ratio": "×",
    "share": "0 to 1",
    "number": "number",
    "cores": "cores",
    "MiB": "MiB",
    "per_s": "a second",
}


def kinds() -> str:
    """Which latencies, and which quantiles."""
    of = ", ".join(f"`{kind}`" for kind in KINDS)
    quantiles = ", ".join(f"`{quantile}`" for quantile in QUANTILES)
    return f"KIND is one of {of}; QUANTILE is one of {quantiles}."


def measures() -> str:
    """Markdown: those that are not one of many alike."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| measure | unit | what |"
    yield "|---|---|---|"
    for name, measure in MEASURES.items():
        kind, _, rest = name.partition(".")
        if kind in KINDS and rest.partition("_")[0] in QUANTILES:
            continue
        if any(name.startswith(f"server.{role}.") for role in ROLES[1:]):
            continue
        shown = name.replace(f"server.{ROLES[0]}.", "server.ROLE.")
        about = measure.about.replace(f" of {ROLES[0]}.", " of a role.")
        yield f"| `{shown}` | {UNITS[measure.unit]} | {about} |"


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {"measures": measures, "latency-kinds": kinds}
