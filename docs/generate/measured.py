"""The table of kept measurements, beside what they must reach and what others reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from docs.generate.plots import figures

Value = Callable[[dict[str, Any]], float]


def _value(figure: dict[str, Any]) -> float:
    return float(figure["value"])


def _of_runs(*path: str) -> Value:
    """The median over the runs of something in their detail."""

    def value(figure: dict[str, Any]) -> float:
        found = []
        for run in figure["detail"]["by_run"]:
            for name in path:
                run = run[name]
            found.append(float(run))
        return sorted(found)[len(found) // 2]

    return value


def _one_in_flight(figure: dict[str, Any]) -> float:
    runs = sorted(figure["detail"]["one_in_flight"]["runs"])
    return float(runs[len(runs) // 2])


def _open_loop_per_cpu_s(figure: dict[str, Any]) -> float:
    runs = figure["detail"]["by_run"]
    found = sorted(
        figure["detail"]["offered_per_s"] * run["wall_s"] / run["server_cpu_s"] for run in runs
    )
    return float(found[len(found) // 2])


def _detail(name: str) -> Value:
    return lambda figure: float(figure["detail"][name])


# name of the figure, what it is, how it is read, unit, others, must, aim
ROWS: Final[tuple[tuple[str, str, Value, str, str, str, str], ...]] = (
    (
        "durable_msgs_per_server_cpu_s",
        "durable, delivered messages a CPU-second, 100 pairs × 8 in flight",
        _value,
        "",
        "ejabberd 1,076; Prosody 1,265 (no fsync); Synapse 21",
        "≥ 8,000",
        "15,000",
    ),
    (
        "durable_msgs_per_server_cpu_s",
        "the same, 1 in flight",
        _one_in_flight,
        "",
        "ejabberd 1,242; Prosody 2,282 (no fsync)",
        "≥ 5,000",
        "9,000",
    ),
    (
        "open_loop_p99_ms_at_1000",
        "1,000 msg/s: messages a CPU-second",
        _open_loop_per_cpu_s,
        "",
        "ejabberd 837",
        "≥ 1,250",
        "2,000",
    ),
    ("open_loop_p99_ms_at_1000", "p99", _value, "ms", "ejabberd 9.3", "≤ 10", "6"),
    ("open_loop_p99_ms_at_1000", "p99.9", _of_runs("p999_ms"), "ms", "18.5", "≤ 25", "12"),
    ("open_loop_p99_ms_at_3000", "3,000 msg/s: p99", _value, "ms", "none holds it", "≤ 15", "8"),
    ("open_loop_p99_ms_at_6000", "6,000 msg/s: p99", _value, "ms", "none holds it", "≤ 40", "12"),
    (
        "fanout_deliveries_per_server_cpu_s",
        "group of 1,000 online: deliveries a CPU-second",
        _value,
        "",
        "ejabberd 20,500; Prosody 11,900",
        "≥ 45,000",
        "80,000",
    ),
    (
        "fanout_deliveries_per_server_cpu_s",
        "the last member has it, median",
        _of_runs("last_member_p50_ms"),
        "ms",
        "ejabberd 38; Prosody 76",
        "≤ 35",
        "16",
    ),
    (
        "post_to_100k_group_last_online_s",
        "group of 100,000, 10,000 online: the last has it",
        _value,
        "s",
        "",
        "≤ 1.5",
        "0.5",
    ),
    (
        "idle_kib_per_connection",
        "memory of an idle connection, at 10,000",
        _value,
        "KiB",
        "ejabberd 63; Prosody 43; Centrifugo 27",
        "≤ 24",
        "16",
    ),
    (
        "connects_per_server_cpu_s",
        "connect, authenticate, sync, a CPU-second",
        _value,
        "",
        "ejabberd 495; Prosody 1,171; Synapse 57",
        "≥ 1,200",
        "2,500",
    ),
    (
        "overload_goodput_share",
        "three times what it can take: what gets through",
        _value,
        "× capacity",
        "",
        "≥ 0.9",
        "",
    ),
    (
        "signups_per_server_cpu_s",
        "sign-ups with a code, first connection, a CPU-second",
        _value,
        "",
        "without any code: ejabberd 361; Prosody 663 (no fsync)",
        "≥ 400",
        "800",
    ),
    (
        "refusals_per_server_cpu_s",
        "newcomers turned away from a full waiting room, a CPU-second",
        _value,
        "",
        "",
        "≥ 10,000",
        "",
    ),
    ("overload_goodput_share", "… quick again after", _detail("recovery_s"), "s", "", "≤ 10", ""),
)


def table() -> str:
    """Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| what | measured | others | must | aim |"
    yield "|---|---|---|---|---|"
    for name, what, value, unit, others, must, aim in ROWS:
        figure = figures().get(name)
        told = "–" if figure is None else f"**{_shown(value(figure))}** {unit}".strip()
        yield f"| {what} | {told} | {others} | {must} | {aim} |"


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


BLOCKS: Final[Mapping[str, Callable[[], str]]] = {"measured": table}
