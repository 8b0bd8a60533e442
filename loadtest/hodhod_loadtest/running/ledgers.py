"""A chat as all of its people know it, judged on the fly. No I/O.

The judge knows what its one writer tried, what it was told is durable, and what each listener was
handed, in the order of the chat's log. `invariants.py` judges whole logs after a run; this one
forgets a message that everybody has, so that it can watch for days.

Always true: a message stays under way until it is acknowledged and every listener has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REMEMBERED: Final = 200
"""Messages of a chat that are over, kept so that a second one is noticed."""


@dataclass(slots=True)
class Post:
    """One message under way; `due_s` is when it should have been written."""

    due_s: float
    seq: int = 0
    is_durable: bool = False
    heard: int = 0
    tries: int = 0


class Ledger:
    """One chat. `violated(kind, what)` is called with each thing that must not be."""

    def __init__(
        self, chat: int, writer: int, listeners: int, violated: Callable[[str, str], None]
    ) -> None:
        self.chat: Final = chat
        self.writer: Final = writer
        self.under_way: dict[int, Post] = {}
        self._listeners = listeners
        self._violated = violated
        self._numbers: dict[int, int] = {}  # seq → number, of what is under way
        self._over: OrderedDict[int, int] = OrderedDict()  # number → seq
        self._newest: dict[int, int] = {}  # listener → the last number that was written only once

    def written(self, number: int, due_s: float) -> Post:
        """The writer sends a message, or sends it again."""
        post = self.under_way.get(number)
        if post is None:
            post = self.under_way[number] = Post(due_s)
        post.tries += 1
        return post

    def acknowledged(self, number: int, seq: int) -> Post | None:
        """The writer was told that it is durable; the message if this is the first time."""
        post = self.under_way.get(number)
        if post is None:
            if self._over.get(number, seq) != seq:
                self._complain("doubled", seq)
            return None
        self._place(number, post, seq)
        if post.is_durable:
            return None
        post.is_durable = True
        self._settle(number, post)
        return post

    def heard(self, listener: int, seq: int, sender: int, number: int) -> Post | None:
        """The next message of the log, as this listener holds it; `None` if it is none of ours."""
        post = self.under_way.get(number)
        if post is None or sender != self.writer:
            self._complain("doubled" if number in self._over else "invented", seq)
            return None
        self._place(number, post, seq)
        if post.tries == 1:
            if number < self._newest.get(listener, 0):
                self._complain("reordered", seq)
            self._newest[listener] = number
        post.heard += 1
        self._settle(number, post)
        return post

    @property
    def unanswered(self) -> int:
        """Messages of which nobody was told that they are durable."""
        return sum(not post.is_durable for post in self.under_way.values())

    def judge_lost(self) -> None:
        """Once everybody has read the log to its end: what is durable has to be with all."""
        for post in self.under_way.values():
            if post.is_durable:
                self._complain("lost", post.seq)

    def _place(self, number: int, post: Post, seq: int) -> None:
        """A message has one place in the log, and a place one message."""
        if post.seq and post.seq != seq:
            self._complain("doubled", seq)
        elif self._numbers.get(seq, number) != number:
            self._complain("differs", seq)
        post.seq = seq
        self._numbers[seq] = number

    def _settle(self, number: int, post: Post) -> None:
        if post.is_durable and post.heard >= self._listeners:
            del self.under_way[number]
            self._numbers.pop(post.seq, None)
            self._over[number] = post.seq
            if len(self._over) > REMEMBERED:
                self._over.popitem(last=False)

    def _complain(self, kind: str, seq: int) -> None:
        self._violated(kind, f"{kind}: chat {self.chat}, seq {seq}")
