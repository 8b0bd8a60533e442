"""What an open and a closed loop saw of the same stalls: `docs/measurements/stall.json` as a table
and a plot. `hodhod-loadtest stall --out docs/measurements/stall.json` measures it again.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from docs.generate.plots import BENCH, COLOURS, SOFT, THEIRS, TOP, WIDTH, svg

STALL: Final = BENCH.with_name("stall.json")
LOOPS: Final = (("open", "open loop"), ("closed", "closed loop"))
SHOWN: Final = (
    ("p50_ms", "p50"),
    ("p90_ms", "p90"),
    ("p99_ms", "p99"),
    ("p999_ms", "p99.9"),
    ("longest_ms", "longest"),
)
_LEFT, _HEIGHT, _RIGHT = 64, 250, 150
_LEAST_MS, _MOST_MS = 1.0, 1_000.0


@functools.cache
def measured() -> dict[str, Any]:
    """The kept measurement."""
    told: dict[str, Any] = json.loads(STALL.read_text(encoding="utf-8"))
    return told


def table() -> str:
    """Markdown."""
    rows = ["| | messages | " + " | ".join(f"{name}, ms" for _, name in SHOWN) + " |"]
    rows.append("|---" * (len(SHOWN) + 2) + "|")
    for key, name in LOOPS:
        told = measured()[key]
        cells = " | ".join(f"{told[quantile]:.3g}" for quantile, _ in SHOWN)
        rows.append(f"| {name} | {told['messages']:,} | {cells} |")
    return "\n".join(rows)


def plot() -> str:
    """Latency by how rare it is, both on logarithmic axes."""
    most = max(one_in for key, _ in LOOPS for one_in, _ in measured()[key]["one_in_ms"])
    width, bottom = WIDTH - _LEFT - _RIGHT, TOP + _HEIGHT

    def x(one_in: float) -> float:
        return _LEFT + width * math.log10(one_in) / math.log10(most)

    def y(latency_ms: float) -> float:
        share = math.log10(max(latency_ms, _LEAST_MS) / _LEAST_MS)
        return bottom - _HEIGHT * share / math.log10(_MOST_MS / _LEAST_MS)

    def body() -> Iterator[str]:
        for latency_ms in (1, 10, 100, 1_000):
            yield (
                f'<path d="M{_LEFT} {y(latency_ms):.1f} H{_LEFT + width}" stroke="{THEIRS}"'
                ' stroke-width="0.6" fill="none"/>'
            )
            yield _word(_LEFT - 8, y(latency_ms) + 4, f"{latency_ms:,} ms", "end")
        for one_in, name in ((10, "p90"), (100, "p99"), (1_000, "p99.9"), (10_000, "p99.99")):
            if one_in <= most:
                yield _word(x(one_in), bottom + 18, name, "middle")
        for number, (key, name) in enumerate(LOOPS):
            yield from _line([(x(a), y(b)) for a, b in measured()[key]["one_in_ms"]], number, name)

    title = f"A server that stops for {measured()['stall_ms']:.0f} ms every"
    return svg(f"{title} {measured()['every_s']:.0f} s", bottom + 34, body())


def _word(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="{SOFT}">'
        f"{text}</text>"
    )


def _line(points: Sequence[tuple[float, float]], number: int, name: str) -> Iterator[str]:
    colour = COLOURS[1 - number]
    path = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    yield f'<path d="M{path}" stroke="{colour}" stroke-width="2.2" fill="none"/>'
    last_x, last_y = points[-1]
    yield (
        f'<text x="{min(last_x + 10, WIDTH - _RIGHT + 10):.1f}" y="{last_y + 4 + 18 * number:.1f}"'
        f' fill="{colour}">{name}</text>'
    )


PLOTS: Final = {"docs/images/stall.svg": plot}
BLOCKS: Final[Mapping[str, Callable[[], str]]] = {"stall": table}
