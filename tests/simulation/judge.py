"""The laws, asked of everything that was seen in a run.

Nothing acknowledged is lost; nothing comes twice; each chat's log is the same for everybody, in the
order of its seq and without gaps, and is what the database holds; what one device wrote stands in
the order in which it was written, unless the server refused it for a while; nothing waits for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hodhod_loadtest.invariants import ChatRecord, Entry, Violation, violations
from tests.simulation.ledger import Ledger
from tests.simulation.postgres_tables import ChatTable, Tables

Refused = set[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run leaves for the judge. `ledgers` by number of the device."""

    tables: Tables
    ledgers: dict[int, Ledger]
    refused: Refused
    """(sender, client_id) of what the server refused at some time."""


def judge(seen: Seen) -> list[Violation]:
    """Everything that is wrong; empty if all promises were kept."""
    records = {chat: _record(table, seen) for chat, table in seen.tables.chats.items()}
    found = violations(records)
    for table in seen.tables.chats.values():
        found += _of_the_end(table, seen)
        found += _of_senders(table, seen)
    return found


def is_converged(seen: Seen) -> bool:
    """Every device has as much of every chat as there is. Cheaper than the judge."""
    return all(
        ledger.count(table.chat) >= table.last_seq
        for table in seen.tables.chats.values()
        for ledger in _of(table, seen.ledgers).values()
    )


def _of(table: ChatTable, ledgers: dict[int, Ledger]) -> dict[int, Ledger]:
    """The devices of the chat's members."""
    return {number: ledger for number, ledger in ledgers.items() if ledger.user in table.members}


def _record(table: ChatTable, seen: Seen) -> ChatRecord:
    record = ChatRecord()
    for number, ledger in _of(table, seen.ledgers).items():
        record.logs[number] = ledger.log(table.chat)
        record.attempted |= {
            (ledger.user, client_id) for client_id in ledger.attempted.get(table.chat, ())
        }
        record.acknowledged |= {
            (ledger.user, client_id): seq
            for (chat, client_id), seq in ledger.acknowledged.items()
            if chat == table.chat
        }
    return record


def _of_the_end(table: ChatTable, seen: Seen) -> list[Violation]:
    """Devices hold what the database holds, and the database holds a log."""
    stored = [Entry(row["seq"], row["sender_id"], row["client_id"]) for row in table.log]
    found = [
        Violation("differs", table.chat, number, len(stored))
        for number, ledger in _of(table, seen.ledgers).items()
        if ledger.log(table.chat) != stored
    ]
    if [entry.seq for entry in stored] != list(range(1, table.last_seq + 1)):
        found.append(Violation("gap", table.chat, 0, table.last_seq))
    return found


def _of_senders(table: ChatTable, seen: Seen) -> list[Violation]:
    """What a device was told is kept is there; what it wrote is in the order in which it wrote."""
    place = {(row["sender_id"], row["client_id"]): row["seq"] for row in table.log}
    found = []
    for number, ledger in _of(table, seen.ledgers).items():
        kept = [(ledger.user, client_id) for client_id in ledger.promised.get(table.chat, ())]
        found += [Violation("lost", table.chat, number, 0) for name in kept if name not in place]
        names = [(ledger.user, client_id) for client_id in ledger.attempted.get(table.chat, ())]
        seqs = [place[name] for name in names if name in place and name not in seen.refused]
        found += [
            Violation("reordered", table.chat, number, two)
            for one, two in pairwise(seqs)
            if two < one
        ]
    return found
