"""What is judged on the fly is what a judge of whole logs finds afterwards."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from hodhod_loadtest.invariants import ChatRecord, Entry, violations
from hodhod_loadtest.running.ledgers import REMEMBERED, Ledger

WRITER, READER, CHAT = 7, 8, 70


class Told:
    """A ledger with one listener, and all that was complained of."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.ledger = Ledger(CHAT, WRITER, 1, lambda kind, what: self.kinds.update([kind]))


def test_a_message_is_over_when_it_is_durable_and_heard() -> None:
    told = Told()
    for number in range(1, 3 * REMEMBERED):
        assert told.ledger.written(number, 1.5).due_s == 1.5
        assert told.ledger.heard(0, number, WRITER, number) is not None
        assert told.ledger.acknowledged(number, number) is not None
    assert not told.ledger.under_way
    told.ledger.judge_lost()
    assert not told.kinds


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("lost", [(1, WRITER, 1)]),
        ("doubled", [(1, WRITER, 1), (2, WRITER, 2), (3, WRITER, 2)]),
        ("doubled", [(1, WRITER, 1), (2, WRITER, 1), (3, WRITER, 2)]),
        ("reordered", [(1, WRITER, 2), (2, WRITER, 1)]),
        ("invented", [(1, WRITER, 1), (2, WRITER, 2), (3, WRITER, 99)]),
        ("invented", [(1, WRITER, 1), (2, 99, 2)]),
    ],
)
def test_each_broken_promise_is_named(kind: str, heard: list[tuple[int, int, int]]) -> None:
    told = Told()
    told.ledger.written(1, 0.0)
    told.ledger.written(2, 0.0)
    for seq, sender, number in heard:
        told.ledger.heard(0, seq, sender, number)
    if kind == "lost":
        told.ledger.acknowledged(2, 2)
    told.ledger.judge_lost()
    assert told.kinds[kind], told.kinds


def test_what_was_sent_again_may_come_later_and_is_acknowledged_twice() -> None:
    told = Told()
    for number in (1, 2):
        told.ledger.written(number, 0.0)
    told.ledger.written(1, 0.0)  # its first answer was lost with the connection
    told.ledger.heard(0, 1, WRITER, 2)
    told.ledger.heard(0, 2, WRITER, 1)
    assert told.ledger.acknowledged(1, 2) is not None
    assert told.ledger.acknowledged(1, 2) is None
    assert told.ledger.acknowledged(2, 1) is not None
    assert not told.kinds
    told.ledger.acknowledged(2, 9)
    assert told.kinds == {"doubled": 1}


@pytest.mark.parametrize("seed", range(200))
def test_both_judges_agree_whether_a_log_is_right(seed: int) -> None:
    dice = random.Random(seed)
    told, record = Told(), ChatRecord()
    log = [Entry(number, WRITER, number) for number in range(1, 9)]
    match dice.randrange(4):
        case 0:
            del log[dice.randrange(8) :]  # the end is missing
        case 1:
            place = dice.randrange(8)
            log[place:] = [log[place], *log[place:]]  # one twice
            log = [Entry(seq, WRITER, one.client_id) for seq, one in enumerate(log, 1)]
        case 2:
            log.append(Entry(9, WRITER, 500))  # nobody wrote that
        case _:
            pass
    for number in range(1, 9):
        told.ledger.written(number, 0.0)
        told.ledger.acknowledged(number, number)
        record.attempted.add((WRITER, number))
        record.acknowledged[WRITER, number] = number
    for entry in log:
        told.ledger.heard(0, entry.seq, entry.sender, entry.client_id)
    told.ledger.judge_lost()
    record.logs[READER] = log
    assert bool(told.kinds) == bool(violations({CHAT: record}))
