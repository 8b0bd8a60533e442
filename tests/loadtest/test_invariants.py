"""The judge is judged: each planted fault is found, and a right log is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from hodhod_loadtest.invariants import ChatRecord, Entry, violations

SARA, REZA, CHAT = 1, 2, 7


def right_record() -> ChatRecord:
    """Twenty messages of two people, of which the last was never acknowledged."""
    log = [Entry(seq, (SARA, REZA)[seq % 2], 1000 + seq) for seq in range(1, 21)]
    names = {(entry.sender, entry.client_id): entry.seq for entry in log}
    return ChatRecord(
        acknowledged={name: seq for name, seq in names.items() if seq < 20},
        attempted=set(names),
        logs={SARA: list(log), REZA: list(log)},
    )


def lose(log: list[Entry]) -> None:
    del log[9]


def lose_the_last_acknowledged(log: list[Entry]) -> None:
    del log[18:]


def double(log: list[Entry]) -> None:
    log.insert(10, log[9])


def double_under_another_seq(log: list[Entry]) -> None:
    log.append(Entry(21, log[9].sender, log[9].client_id))


def swap(log: list[Entry]) -> None:
    log[4], log[5] = log[5], log[4]


def swap_contents(log: list[Entry]) -> None:
    one, other = log[4], log[6]
    log[4] = Entry(one.seq, other.sender, other.client_id)
    log[6] = Entry(other.seq, one.sender, one.client_id)


def invent(log: list[Entry]) -> None:
    log.append(Entry(21, SARA, 9999))


def skip_a_seq(log: list[Entry]) -> None:
    log.append(Entry(22, SARA, 1020))


FAULTS: list[tuple[Callable[[list[Entry]], None], str]] = [
    (lose, "lost"),
    (lose_the_last_acknowledged, "lost"),
    (double, "doubled"),
    (double_under_another_seq, "doubled"),
    (swap, "reordered"),
    (swap_contents, "differs"),
    (invent, "invented"),
    (skip_a_seq, "gap"),
]


def test_a_right_log_has_no_violations() -> None:
    assert violations({CHAT: right_record()}) == []


def test_a_message_that_was_never_acknowledged_may_be_missing() -> None:
    record = right_record()
    record.logs[REZA].pop()
    assert violations({CHAT: record}) == []


@pytest.mark.parametrize(("plant", "kind"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_planted_fault_is_found(plant: Callable[[list[Entry]], None], kind: str) -> None:
    record = right_record()
    plant(record.logs[REZA])
    found = violations({CHAT: record})
    assert kind in {violation.kind for violation in found}
    assert {violation.member for violation in found} == {REZA}


def test_any_single_change_of_a_log_is_found() -> None:
    dice = random.Random(5)
    for _ in range(300):
        record = right_record()
        log = record.logs[SARA]
        place = dice.randrange(19)
        match dice.randrange(3):
            case 0:
                del log[place]
            case 1:
                log.insert(dice.randrange(len(log)), log[place])
            case _:
                log.insert(dice.choice([at for at in range(19) if at != place]), log.pop(place))
        assert violations({CHAT: record})
