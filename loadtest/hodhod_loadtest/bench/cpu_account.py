"""Who used how much CPU, told from one look at the processes after another.

A process that ends takes its counter with it, and its parent inherits the sum: so the difference of
two sums would take what a dead role ever used from it, and give it to who started it. Here each
look adds what each process has used since the look before. What a parent inherits is new only
where it exceeds what was counted while those who ended were alive.

Always true: no count ever falls, and no tick is in two of them. What cannot be known, because a
process and its parent ended between two looks, is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """A process in `/proc/PID/stat`: its own ticks, and those of its children that have ended."""

    pid: int
    parent: int
    own: int
    inherited: int
    started: int
    """With the pid, who it is: pids are used again."""


def parse_stat(text: str) -> Stat:
    """The name of a program may hold spaces and brackets: what follows the last one is safe."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(
        pid=int(head.split()[0]),
        parent=int(fields[1]),
        own=sum(map(int, fields[11:13])),
        inherited=sum(map(int, fields[13:15])),
        started=int(fields[19]),
    )


def find_label(pid: int, stats: Mapping[int, Stat], labels: Mapping[int, str]) -> str | None:
    """Every process belongs to its nearest ancestor that has a label, itself included."""
    while pid not in labels:
        if pid not in stats:
            return None
        pid = stats[pid].parent
    return labels[pid]


@dataclass(slots=True)
class _Known:
    """A process as it was last seen."""

    stat: Stat
    label: str
    counted: int = 0
    """Of its own ticks."""

    explained: int = 0
    """Ticks that were counted for children which have ended: it inherits them, or soon will."""

    inherited: int = 0
    """Ticks that nobody had counted before it inherited them."""

    heir_of: set[str] = field(default_factory=set)
    """Labels of the children that ended since the look before."""

    @property
    def bequest(self) -> int:
        """What is counted already of all that its parent is to inherit."""
        return self.counted + self.explained + self.inherited


class CpuAccount:
    """The ticks of each label. A process keeps its label when its ancestors are gone."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._ticks: Counter[str] = Counter()

    def oldest_first(self) -> list[int]:
        """Who is to be read first at the next look.

        A parent is read before its children, lest one that ends meanwhile be seen alive and
        inherited at once.
        """
        return [known.stat.pid for known in sorted(self._known.values(), key=_age)]

    def note(self, stats: Mapping[int, Stat], labels: Mapping[int, str]) -> dict[str, int]:
        """Add a look. The ticks of each label, from the start of its processes on."""
        self._bury(stats)
        for pid, stat in stats.items():
            known = self._known.get(pid)
            label = find_label(pid, stats, labels) or (known.label if known else None)
            if label is None:
                continue
            if known is None:
                known = self._known[pid] = _Known(stat, label)
            known.stat, known.label = stat, label
            self._count(known)
        return {**dict.fromkeys(labels.values(), 0), **self._ticks}

    def _bury(self, stats: Mapping[int, Stat]) -> None:
        """Those who have ended, children before parents."""
        for known in self._known.values():
            known.heir_of.clear()
            if _is_there(known.stat, stats):  # whom it has not inherited by now, it never will
                now = stats[known.stat.pid]
                known.explained = min(known.explained, now.inherited - known.inherited)
        gone = [known for known in self._known.values() if not _is_there(known.stat, stats)]
        for known in sorted(gone, key=_age, reverse=True):
            del self._known[known.stat.pid]
            heir = self._known.get(known.stat.parent)
            if heir is not None:
                heir.explained += known.bequest
                heir.heir_of.add(known.label)

    def _count(self, known: _Known) -> None:
        used = known.stat.own - known.counted
        if used > 0:
            known.counted += used
            self._ticks[known.label] += used
        new = known.stat.inherited - known.explained - known.inherited
        if new > 0:
            known.inherited += new
            # Of who ended last, unless there were several: then of who has them now.
            [label] = known.heir_of if len(known.heir_of) == 1 else {known.label}
            self._ticks[label] += new


def _age(known: _Known) -> tuple[int, int]:
    return known.stat.started, known.stat.pid


def _is_there(stat: Stat, stats: Mapping[int, Stat]) -> bool:
    now = stats.get(stat.pid)
    return now is not None and now.started == stat.started
