"""What must hold after any run, whatever was killed in it: nothing lost, doubled or reordered.

The judge sees two things only: what senders were told is durable, and what each member's client
came to hold, in the order in which it came to hold it. It knows nothing of the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as a member holds it."""

    seq: int
    sender: int
    client_id: int


@dataclass(slots=True)
class ChatRecord:
    """One chat, as its people know it. Keys of `logs` are members."""

    acknowledged: dict[tuple[int, int], int] = field(default_factory=dict)
    """(sender, client_id) → the seq that the sender was told."""

    attempted: set[tuple[int, int]] = field(default_factory=set)
    """Every (sender, client_id) that anybody ever tried to send."""

    logs: dict[int, list[Entry]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be. `kind` is lost, doubled, reordered, gap, differs or invented."""

    kind: str
    chat: int
    member: int
    seq: int


def violations(chats: Mapping[int, ChatRecord]) -> list[Violation]:
    """Everything that is wrong, over all chats; empty if the promise was kept."""
    return [
        violation
        for chat, record in chats.items()
        for member, log in record.logs.items()
        for violation in _of_member(chat, record, member, log)
    ]


def _of_member(
    chat: int, record: ChatRecord, member: int, log: Sequence[Entry]
) -> Iterator[Violation]:
    by_name = {(entry.sender, entry.client_id): entry.seq for entry in log}
    for name, seq in record.acknowledged.items():
        if name not in by_name:
            yield Violation("lost", chat, member, seq)
        elif by_name[name] != seq:
            yield Violation("differs", chat, member, seq)
    for entry in log:
        if (entry.sender, entry.client_id) not in record.attempted:
            yield Violation("invented", chat, member, entry.seq)
    names = Counter((entry.sender, entry.client_id) for entry in log)
    seqs = Counter(entry.seq for entry in log)
    for name, count in names.items():
        if count > 1:
            yield Violation("doubled", chat, member, by_name[name])
    for seq, count in seqs.items():
        if count > 1:
            yield Violation("doubled", chat, member, seq)
    yield from _of_order(chat, member, log)


def _of_order(chat: int, member: int, log: Sequence[Entry]) -> Iterator[Violation]:
    """Each next seq follows the one before: smaller is out of order, larger leaves a gap."""
    expected = 1
    for entry in log:
        if entry.seq < expected:
            yield Violation("reordered", chat, member, entry.seq)
        elif entry.seq > expected:
            yield Violation("gap", chat, member, expected)
        expected = max(expected, entry.seq) + 1
