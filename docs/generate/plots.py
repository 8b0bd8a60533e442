"""Plots of measurements that were kept, as SVG: `docs/measurements/bench.json` to `docs/images/`.

`make bench` writes a `bench.json`; copied here it becomes what the pages show. Nothing is typed in
by hand but the figures of other servers, which have their source in the page.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

BENCH: Final = Path(__file__).parents[1] / "measurements" / "bench.json"
WIDTH: Final = 760
LEFT: Final = 350
ROW: Final = 30
TOP: Final = 52
PLOT_HEIGHT: Final = 250
INK, SOFT, OURS, THEIRS, LIMIT = "#17202b", "#546173", "#1f6f8b", "#b8c0ca", "#b3402a"
COLOURS: Final = ("#1f6f8b", "#b3402a", "#6a8f3a", "#8a5aa8")
# Durable messages a server-CPU-second on a machine of the same kind (shared/research is where they
# were measured): archive in PostgreSQL unless said otherwise.
PEERS: Final = (
    ("ejabberd 23.01", 1076.0),
    ("Prosody 0.12, files, no fsync", 1265.0),
    ("Synapse", 21.0),
)
GROWTH: Final = (
    ("history", "messages in the log"),
    ("chats", "chats"),
    ("members", "members of the chat"),
    ("people_online", "people online"),
)
MUST: Final = 1.3


@functools.cache
def figures() -> dict[str, Any]:
    """The kept measurement, by name."""
    return {figure["name"]: figure for figure in json.loads(BENCH.read_text(encoding="utf-8"))}


def peers() -> str:
    """Durable messages a CPU-second, beside other servers."""
    own = ("Hodhod", figures()["durable_msgs_per_server_cpu_s"]["value"])
    return _bars(
        "Durable, delivered messages for a CPU-second of the server",
        [own, *PEERS],
        [OURS, *[THEIRS] * len(PEERS)],
    )


def steps() -> str:
    """Where the CPU of one message goes."""
    told = figures()["message_server_cpu_us"]
    rows = [(name, value) for name, value in told["detail"]["steps"].items() if value >= 1]
    colours = [OURS if name.startswith("gateway") else THEIRS for name, _ in rows]
    title = f"CPU of one message, in microseconds: {told['value']:.0f} in all"
    return _bars(title, rows, colours)


def growth() -> str:
    """The cost of a message as the server fills, relative to the smallest size."""
    lines = []
    for name, label in GROWTH:
        series = figures()[f"cost_growth_with_{name}"]["detail"]["series"]
        first = series[0]["us"]
        lines.append((label, [(point["size"], point["us"] / first) for point in series]))
    return _lines("Cost of a message as the server fills", lines)


PLOTS: Final = {
    "docs/images/performance-peers.svg": peers,
    "docs/images/performance-steps.svg": steps,
    "docs/images/performance-growth.svg": growth,
}


def svg(title: str, height: int, body: Iterator[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' font-family="system-ui, \'DejaVu Sans\', Arial, sans-serif" font-size="14">',
        f"  <title>{escape(title)}</title>",
        f'  <rect width="{WIDTH}" height="{height}" fill="#fcfcfa"/>',
        f'  <text x="16" y="28" font-size="16" font-weight="600" fill="{INK}">'
        f"{escape(title)}</text>",
        *(f"  {line}" for line in body),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _bars(title: str, rows: Sequence[tuple[str, float]], colours: Sequence[str]) -> str:
    largest = max(value for _, value in rows)

    def body() -> Iterator[str]:
        for number, ((name, value), colour) in enumerate(zip(rows, colours, strict=True)):
            y = TOP + number * ROW
            length = max(1.0, (WIDTH - LEFT - 90) * value / largest)
            yield (
                f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end" fill="{INK}">'
                f"{escape(name)}</text>"
            )
            yield f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="20" fill="{colour}"/>'
            shown = f"{value:,.0f}" if value >= 20 else f"{value:.1f}"
            yield f'<text x="{LEFT + length + 8:.1f}" y="{y + 15}" fill="{SOFT}">{shown}</text>'

    return svg(title, TOP + len(rows) * ROW + 10, body())


def _lines(title: str, lines: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> str:
    """Sizes on a logarithmic axis; 0 and 1 share its beginning."""
    largest = max(math.log10(max(1, size)) for _, points in lines for size, _ in points)
    highest = max(1.6, *(value for _, points in lines for _, value in points))
    bottom, width = TOP + PLOT_HEIGHT, WIDTH - 330

    def x(size: int) -> float:
        return 60 + width * math.log10(max(1, size)) / largest

    def y(value: float) -> float:
        return bottom - PLOT_HEIGHT * value / highest

    def body() -> Iterator[str]:
        for value, name, colour in ((1.0, "1 ×", THEIRS), (MUST, "must: 1.3 ×", LIMIT)):
            yield (
                f'<path d="M60 {y(value):.1f} H{60 + width}" stroke="{colour}"'
                ' stroke-dasharray="4 4" fill="none"/>'
            )
            yield f'<text x="66" y="{y(value) - 5:.1f}" font-size="12" fill="{SOFT}">{name}</text>'
        for power in range(math.floor(largest) + 1):
            yield (
                f'<text x="{x(10**power):.1f}" y="{bottom + 18}" text-anchor="middle"'
                f' font-size="12" fill="{SOFT}">{_short(10**power)}</text>'
            )
        yield f'<path d="M60 {bottom} H{60 + width}" stroke="{SOFT}" fill="none"/>'
        for number, ((name, points), colour) in enumerate(zip(lines, COLOURS, strict=True)):
            path = " L".join(f"{x(size):.1f} {y(value):.1f}" for size, value in points)
            yield f'<path d="M{path}" stroke="{colour}" stroke-width="2.2" fill="none"/>'
            for size, value in points:
                yield f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3.4" fill="{colour}"/>'
            yield (
                f'<text x="{90 + width}" y="{TOP + 20 + number * 24}" fill="{colour}">'
                f"{escape(name)}: {points[-1][1]:.2f} ×</text>"
            )

    return svg(title, bottom + 34, body())


def _short(number: int) -> str:
    for unit, divisor in (("M", 10**6), ("k", 10**3)):
        if number >= divisor:
            return f"{number // divisor}{unit}"
    return str(number)
