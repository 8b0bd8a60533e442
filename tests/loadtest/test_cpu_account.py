"""CPU by role from looks at made-up processes, some of which end in between."""

from __future__ import annotations

import random
from collections.abc import Mapping

from hodhod_loadtest.bench.cpu_account import CpuAccount, Stat, parse_stat

LABELS = {50: "supervisor", 51: "gateway", 60: "postgres"}


def _stats(*told: tuple[int, int, int, int]) -> dict[int, Stat]:
    """Of (pid, parent, own, inherited); who has the higher pid is younger."""
    return {
        pid: Stat(pid=pid, parent=parent, own=own, inherited=inherited, started=pid)
        for pid, parent, own, inherited in told
    }


def test_a_process_has_its_own_time_and_that_of_its_ended_children() -> None:
    times = "7 11 13 17"  # utime stime cutime cstime
    line = f"42 (a) R 1 (b) S 9 42 42 0 -1 4194560 1 2 3 4 {times} 20 0 1 0 100 1000 10"
    assert parse_stat(line) == Stat(pid=42, parent=9, own=18, inherited=30, started=100)


def test_processes_belong_to_their_nearest_labelled_ancestor_and_strangers_to_nobody() -> None:
    stats = _stats(
        (1, 0, 10_000, 90_000),
        (50, 1, 1, 0),  # the supervisor
        (51, 50, 10, 0),  # a gateway
        (60, 50, 50, 50),  # the postmaster
        (61, 60, 200, 0),  # two backends
        (62, 60, 300, 0),
        (63, 50, 5, 0),  # a role that was started again: the supervisor's until it is told of
        (70, 1, 20_000, 0),  # somebody else
        (71, 70, 20_000, 0),
    )
    assert CpuAccount().note(stats, {**LABELS, 99: "valkey"}) == {
        "supervisor": 6,
        "gateway": 10,
        "postgres": 600,
        "valkey": 0,
    }


def test_a_killed_role_takes_nothing_with_it_and_its_successor_begins_where_it_ended() -> None:
    account = CpuAccount()
    looks = [
        (_stats((50, 1, 5, 0), (51, 50, 200, 0)), LABELS),
        # Killed, and not yet waited for; then gone, with three ticks that no look saw.
        (_stats((50, 1, 5, 0), (51, 50, 202, 0)), LABELS),
        (_stats((50, 1, 6, 205)), LABELS),
        (_stats((50, 1, 6, 205), (80, 50, 40, 0)), {**LABELS, 80: "gateway"}),
    ]
    counts = [account.note(stats, labels) for stats, labels in looks]
    assert [count["gateway"] for count in counts] == [200, 202, 205, 245]
    assert [count["supervisor"] for count in counts] == [5, 5, 6, 6]


def test_who_ended_while_we_looked_is_counted_once() -> None:
    """Its parent was read before it was waited for, and it was gone when its turn came."""
    account = CpuAccount()
    looks = [
        _stats((50, 1, 5, 0), (60, 50, 10, 0), (61, 60, 200, 0)),
        _stats((50, 1, 5, 0), (60, 50, 10, 0)),
        _stats((50, 1, 5, 0), (60, 50, 10, 200)),
        _stats((50, 1, 5, 0), (60, 50, 10, 230)),  # a backend that no look saw
    ]
    assert [account.note(stats, LABELS)["postgres"] for stats in looks] == [210, 210, 210, 240]
    assert account.oldest_first() == [50, 60], "so that nobody is seen alive and inherited"


def test_backends_that_nobody_waits_for_hide_nothing_from_then_on() -> None:
    account = CpuAccount()
    alive = _stats((50, 1, 5, 0), (51, 50, 50, 0), (60, 50, 10, 0), (61, 60, 200, 0))
    account.note(alive, LABELS)
    # The postmaster is killed and waited for by the supervisor, its backend by nobody of ours.
    account.note(_stats((50, 1, 5, 10), (51, 50, 60, 0)), LABELS)
    counts = account.note(_stats((50, 1, 5, 10), (51, 50, 70, 0)), LABELS)
    assert (counts["supervisor"], counts["postgres"], counts["gateway"]) == (5, 210, 70)
    counts = account.note(_stats((50, 1, 5, 85)), LABELS)
    assert (counts["supervisor"], counts["gateway"]) == (5, 75)


def test_a_pid_that_is_used_again_is_somebody_else() -> None:
    account = CpuAccount()
    account.note(_stats((50, 1, 5, 0), (61, 50, 200, 0)), LABELS)
    again = Stat(pid=61, parent=50, own=3, inherited=0, started=99)
    counts = account.note({**_stats((50, 1, 5, 200)), 61: again}, LABELS)
    assert counts["supervisor"] == 208


def test_whatever_ends_whenever_no_count_falls_and_the_sum_is_what_was_used() -> None:
    dice = random.Random(7)
    account = CpuAccount()
    own: dict[int, int] = {50: 0, 60: 0}
    inherited = dict.fromkeys(own, 0)
    parents, labels = {50: 1, 60: 50}, dict(LABELS)
    before: Mapping[str, int] = {}
    used = 0
    for pid in range(100, 400):
        own[pid], parents[pid], inherited[pid] = 0, dice.choice((50, 60)), 0
        if parents[pid] == 50:
            labels[pid] = dice.choice(("gateway", "signup"))
        for one in own:
            ticks = dice.randrange(100)
            own[one] += ticks
            used += ticks
        late: dict[int, int] = {50: 0, 60: 0}
        for one in dice.sample([*own][2:], min(len(own) - 2, dice.randrange(3))):
            # Sometimes the parent was read a moment before.
            (late if dice.random() < 0.3 else inherited)[parents[one]] += own.pop(one)
        stats = _stats(*((one, parents[one], own[one], inherited[one]) for one in own))
        counts = account.note(stats, labels)
        assert all(count >= before.get(label, 0) for label, count in counts.items())
        assert sum(counts.values()) <= used
        before = counts
        for one, ticks in late.items():
            inherited[one] += ticks
    stats = _stats(*((one, parents[one], own[one], inherited[one]) for one in own))
    assert sum(account.note(stats, labels).values()) == used
