"""What things cost, read by name from the files that `make bench` leaves. No figure stands here.

Whatever is not in the files is `None`, and its name is told: what it would cost is not guessed.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from hodhod_loadtest.planning.curve import CostCurve, Load

BENCH: Final = "bench.json"
ENVIRONMENT: Final = "bench-environment.json"
KEPT: Final = Path(__file__).parents[3] / "docs" / "measurements"
CLOSED: Final = "durable_msgs_per_server_cpu_s"
OPEN_LOOP: Final = "open_loop_p99_ms_at_"
STEPS: Final = "message_server_cpu_us"
CROSSING: Final = (
    "gateway: route and publish to other gateways",
    "gateway: hear the bus, push",
)
FANOUT: Final = "fanout_deliveries_per_server_cpu_s"
CONNECTS: Final = "connects_per_server_cpu_s"
SIGNUPS: Final = "signups_per_server_cpu_s"
UPLOADS: Final = "upload_mib_s"
DOWNLOADS: Final = "download_mib_s"
UPLOAD_MEMORY: Final = "upload_rss_mib"
IDLE: Final = "idle_kib_per_connection"
ONLINE: Final = "cost_growth_with_people_online"

Figures = Mapping[str, dict[str, Any]]
ByRole = Mapping[str, float]


class NothingMeasured(Exception):
    """There is no file of figures, or it is none; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU-seconds by role for one of each; `None` where nobody measured it."""

    cpu: str
    gateways: int
    """Gateway processes of the server that was measured."""

    message: CostCurve | None
    crossing_s: float | None
    """Gateway CPU for each message, with so many gateways, for readers who are on another one."""

    delivery_s: float | None
    connect: ByRole | None
    signup: ByRole | None
    upload_mib: ByRole | None
    download_mib: ByRole | None
    upload_memory_mib: float | None
    connection_kib: float | None
    process_mib: float | None
    """Memory of a gateway process with hardly anybody on it."""

    online_growth: float | None
    """What a message costs with many people online, in terms of none."""

    online_measured: float
    """So many on each gateway process."""

    missing: Sequence[str] = field(default=())


def read(folder: Path) -> Costs:
    """From the two files in a folder. Raises `NothingMeasured`."""
    figures = read_figures(folder / BENCH)
    try:
        about = msgspec.json.decode((folder / ENVIRONMENT).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise NothingMeasured(f"{ENVIRONMENT} cannot be read: {error}") from None
    return costs(figures, str(about.get("cpu")), int(about.get("cores") or 1))


def read_figures(path: Path) -> Figures:
    """By name. Raises `NothingMeasured`."""
    try:
        told = msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
        return {figure["name"]: figure for figure in told}
    except (OSError, msgspec.DecodeError, KeyError) as error:
        raise NothingMeasured(f"{path.name} holds no figures: {error}") from None


def costs(figures: Figures, cpu: str, gateways: int) -> Costs:
    """`gateways`: a server that is measured has one for each core."""
    loads = list(_loads(figures, gateways))
    needed = (CLOSED, STEPS, FANOUT, CONNECTS, SIGNUPS, UPLOADS, DOWNLOADS, UPLOAD_MEMORY, IDLE,
              ONLINE)  # fmt: skip
    missing = [name for name in needed if name not in figures]
    if len(loads) < 2:
        missing.append(f"{OPEN_LOOP}*")
    online = figures.get(ONLINE, {}).get("detail", {}).get("series") or [{"size": 0}]
    return Costs(
        cpu=cpu,
        gateways=gateways,
        message=CostCurve(loads) if loads else None,
        crossing_s=_crossing_s(figures),
        delivery_s=1 / figures[FANOUT]["value"] if FANOUT in figures else None,
        connect=_each(figures.get(CONNECTS), "per_s"),
        signup=_each(figures.get(SIGNUPS), "per_s"),
        upload_mib=_each_mib(figures.get(UPLOADS)),
        download_mib=_each_mib(figures.get(DOWNLOADS)),
        upload_memory_mib=_value(figures, UPLOAD_MEMORY),
        connection_kib=_value(figures, IDLE),
        process_mib=_process_mib(figures.get(IDLE), gateways),
        online_growth=_value(figures, ONLINE),
        online_measured=float(online[-1]["size"]) / gateways,
        missing=missing,
    )


def _loads(figures: Figures, gateways: int) -> Iterator[Load]:
    for name, figure in figures.items():
        if name.startswith(OPEN_LOOP):
            runs = figure["detail"]["by_run"]
            yield _load(figure["detail"]["offered_per_s"], runs, gateways)
    if CLOSED in figures:
        detail = figures[CLOSED]["detail"]
        for runs in (detail["by_run"], detail.get("one_in_flight", {}).get("by_run") or ()):
            if runs:
                yield _load(statistics.median(run["per_s"] for run in runs), runs, gateways)


def _load(per_s: float, runs: Sequence[Mapping[str, Any]], gateways: int) -> Load:
    cores = {
        role: statistics.median(run["server_cpu_s_by_role"][role] / run["wall_s"] for run in runs)
        for role in runs[0]["server_cpu_s_by_role"]
    }
    return Load(per_s / gateways, {role: used / gateways for role, used in cores.items()})


def _each(figure: Mapping[str, Any] | None, rate: str) -> ByRole | None:
    """CPU of one, by role: the median over the runs."""
    if figure is None:
        return None
    runs = figure["detail"]["by_run"]
    return _medians(runs, (run[rate] * run["wall_s"] for run in runs))


def _each_mib(figure: Mapping[str, Any] | None) -> ByRole | None:
    if figure is None:
        return None
    runs = figure["detail"]["by_run"]
    return _medians(runs, (float(figure["detail"]["file_mib"]) for _ in runs))


def _medians(runs: Sequence[Mapping[str, Any]], counts: Iterable[float]) -> ByRole:
    done = list(counts)
    return {
        role: statistics.median(
            run["server_cpu_s_by_role"][role] / count for run, count in zip(runs, done, strict=True)
        )
        for role in runs[0]["server_cpu_s_by_role"]
    }


def _crossing_s(figures: Figures) -> float | None:
    steps = figures.get(STEPS, {}).get("detail", {}).get("steps", {})
    if not all(step in steps for step in CROSSING):
        return None
    return sum(float(steps[step]) for step in CROSSING) / 1e6


def _process_mib(figure: Mapping[str, Any] | None, gateways: int) -> float | None:
    if figure is None:
        return None
    runs = figure["detail"]["by_run"]
    return statistics.median(float(run["pss_before_mib"]) for run in runs) / gateways


def _value(figures: Figures, name: str) -> float | None:
    return float(figures[name]["value"]) if name in figures else None
