"""What a server's processes used: CPU by role, and memory. Linux, from `/proc` alone.

A server is the supervisor and all that descends from it: roles, PostgreSQL with its backends,
Valkey. What a backend or a role used is not lost when it ends (`cpu_account.py`). Who kills one
reads before: of several roles that end between two readings nobody can tell who used what.

Always true: the generator descends from none of them, and is counted apart.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from hodhod_loadtest.bench.cpu_account import CpuAccount, Stat, find_label, parse_stat
from hodhod_loadtest.bench.figures import BenchFailed, rounded

PROC: Final = Path("/proc")
PAGE_KIB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
_BUSY: Final = (0, 1, 2, 5, 6, 7)  # of `cpu` in /proc/stat; not idle, iowait, nor guests (in user)


def parse_busy(text: str) -> int:
    """Ticks in which any core was busy, of `/proc/stat`."""
    numbers = text.splitlines()[0].split()[1:]
    return sum(int(numbers[index]) for index in _BUSY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """CPU-seconds of a stretch of time; of a moment, those used until then."""

    wall_s: float
    server_s: Mapping[str, float]
    generator_s: float
    busy_s: float

    @property
    def server_total_s(self) -> float:
        return sum(self.server_s.values())

    @property
    def elsewhere_s(self) -> float:
        """What the machine did for others meanwhile."""
        return max(0.0, self.busy_s - self.server_total_s - self.generator_s)

    def __sub__(self, earlier: Use) -> Use:
        return Use(
            wall_s=self.wall_s - earlier.wall_s,
            server_s={label: s - earlier.server_s[label] for label, s in self.server_s.items()},
            generator_s=self.generator_s - earlier.generator_s,
            busy_s=self.busy_s - earlier.busy_s,
        )

    def as_json(self) -> dict[str, object]:
        return {
            "wall_s": rounded(self.wall_s),
            "server_cpu_s": rounded(self.server_total_s),
            "server_cpu_s_by_role": {label: rounded(s) for label, s in self.server_s.items()},
            "generator_cpu_s": rounded(self.generator_s),
            "elsewhere_cpu_s": rounded(self.elsewhere_s),
        }


def share_elsewhere(uses: Sequence[Use]) -> float:
    """Which share of all cores others used, over all these times."""
    available_s = sum(use.wall_s for use in uses) * (os.cpu_count() or 1)
    return sum(use.elsewhere_s for use in uses) / available_s


class ServerProcesses:
    """The processes of a `hodhod up`."""

    def __init__(self, labels: Mapping[int, str], data_dir: Path | None = None) -> None:
        self._labels = dict(labels)
        self._data_dir = data_dir
        self._account = CpuAccount()
        self._one_look = threading.Lock()  # who kills reads in a thread, and so does the sampler
        self._ticks_per_s = os.sysconf("SC_CLK_TCK")

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """As its `processes.json` tells. Raises `BenchFailed` where there is no `/proc`."""
        if not (PROC / "self" / "stat").exists():
            raise BenchFailed("measuring reads /proc, and so needs Linux")
        return cls(_labels_told(data_dir), data_dir)

    def read(self) -> Use:
        """What was used until now, also by what has ended and by what was started again."""
        with self._one_look:
            return self._use(self._look())

    def read_with_memory(self) -> tuple[Use, dict[str, int]]:
        """The same with what is resident, in KiB, at one look. What processes of a label share, as
        the backends of PostgreSQL do, counts once.
        """
        with self._one_look:
            stats = self._look()
            return self._use(stats), self._rss_kib(stats)

    def _look(self) -> dict[int, Stat]:
        if self._data_dir is not None:
            self._labels |= _labels_told(self._data_dir)
        return {stat.pid: stat for stat in _read_stats(self._account.oldest_first())}

    def _use(self, stats: Mapping[int, Stat]) -> Use:
        ticks = self._account.note(stats, self._labels)
        return Use(
            wall_s=time.monotonic(),
            server_s={label: count / self._ticks_per_s for label, count in ticks.items()},
            generator_s=time.process_time(),
            busy_s=parse_busy((PROC / "stat").read_text()) / self._ticks_per_s,
        )

    def tree(self, pid: int) -> list[int]:
        """A process of the server and all below it."""
        stats = {stat.pid: stat for stat in _read_stats()}
        return [one for one in stats if find_label(one, stats, {pid: "below"}) is not None]

    def _rss_kib(self, stats: Mapping[int, Stat]) -> dict[str, int]:
        private: Counter[str] = Counter()
        shared: dict[str, int] = {}
        for pid in stats:
            label = find_label(pid, stats, self._labels)
            if label is not None:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    pages = (PROC / str(pid) / "statm").read_text().split()
                    own_kib, shared_kib = (int(count) * PAGE_KIB for count in pages[1:3])
                    private[label] += own_kib - shared_kib
                    shared[label] = max(shared.get(label, 0), shared_kib)
        return {label: kib + shared[label] for label, kib in private.items()}

    def pss_kib(self, label: str) -> int:
        """Memory of these processes, what they share divided by who shares it."""
        return sum(
            _number_after("Pss:", PROC / str(pid) / "smaps_rollup") for pid in self._of(label)
        )

    def forget_peaks(self, label: str) -> None:
        """From here on `peak_rss_kib` starts anew."""
        for pid in self._of(label):
            (PROC / str(pid) / "clear_refs").write_text("5")

    def peak_rss_kib(self, label: str) -> int:
        """The most resident memory that these processes had."""
        return sum(_number_after("VmHWM:", PROC / str(pid) / "status") for pid in self._of(label))

    def keep_to(self, cores: set[int]) -> None:
        """Run the whole server on these cores; what it starts from here on inherits that."""
        stats = {stat.pid: stat for stat in _read_stats()}
        for pid in stats:
            if find_label(pid, stats, self._labels) is None:
                continue
            for task in (PROC / str(pid) / "task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(task.name), cores)

    def count(self, label: str) -> int:
        return len(self._of(label))

    def _of(self, label: str) -> list[int]:
        return [pid for pid, own in self._labels.items() if own == label]


def _labels_told(data_dir: Path) -> dict[int, str]:
    """Roles, engines and the supervisor by their pids, as `processes.json` tells."""
    told = json.loads((data_dir / "processes.json").read_bytes())
    labels = {told["supervisor"]: "supervisor"}
    for process in told["processes"]:
        is_engine = process["role"] == "engine"
        labels[process["pid"]] = process["name"] if is_engine else process["role"]
    return labels


def _read_stats(first: Iterable[int] = ()) -> Iterator[Stat]:
    """Of all processes; these before any other."""
    there = sorted(int(folder.name) for folder in PROC.iterdir() if folder.name.isdecimal())
    for pid in dict.fromkeys((*first, *there)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            yield parse_stat((PROC / str(pid) / "stat").read_text(errors="replace"))


def _number_after(name: str, path: Path) -> int:
    match = re.search(rf"^{name}\s+(\d+)", path.read_text(), re.MULTILINE)
    if match is None:
        raise BenchFailed(f"{path.name} does not tell {name}")
    return int(match[1])
