"""Many ask, one statement answers: a commit, a round trip and a plan are shared by all in a batch.

Who asks sleeps until the batch is written; the next one gathers meanwhile, and where many come a
batch waits some milliseconds for company (store/linger.py). Where a statement fails for another
reason than the database being away, each is tried alone, so that one cannot spoil the others'.

Always true: an answer is given after the statement has returned, so what it tells is durable. Of
those with one key a batch holds one; the others come in the next, and see what it has written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

from hodhod_server.domain.errors import HodhodError, Overloaded
from hodhod_server.store.database import RETRY_AFTER_S, Connections, StoreError, Tx
from hodhod_server.store.linger import Linger

GATHER_S: Final = 0.04
BATCH_MAX: Final = 100
WAITING_MAX: Final = 5_000

Question = TypeVar("Question")
Reply = TypeVar("Reply")


class _Ticket(Generic[Question, Reply]):
    __slots__ = ("key", "question", "reply")

    def __init__(self, key: Hashable, question: Question, reply: asyncio.Future[Reply]) -> None:
        self.key = key
        self.question = question
        self.reply = reply


class Gathering(Generic[Question, Reply]):
    """One kind of question. `answer_all` gives a reply for each, in their order."""

    def __init__(
        self,
        database: Connections,
        answer_all: Callable[[Tx, Sequence[Question]], Awaitable[Sequence[Reply]]],
    ) -> None:
        self._database = database
        self._answer_all = answer_all
        self._waiting: list[_Ticket[Question, Reply]] = []
        self._filled = asyncio.Event()
        self._linger = Linger(GATHER_S)

    async def ask(self, key: Hashable, question: Question) -> Reply:
        """The reply. Raises `Overloaded` where too many wait, or the database is away."""
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Ticket(key, question, reply))
        self._filled.set()
        return await reply

    async def run(self) -> None:
        """Answer batch after batch, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            if wait_s := self._linger.wait_s(len(self._waiting)):
                await asyncio.sleep(wait_s)
            batch = self._take()
            self._linger.took(len(batch), loop.time())
            await self._settle(batch)

    def _take(self) -> list[_Ticket[Question, Reply]]:
        """Who left meanwhile is written as well: the request may be repeated, and meets it."""
        batch: dict[Hashable, _Ticket[Question, Reply]] = {}
        later = []
        for ticket in self._waiting:
            if len(batch) < BATCH_MAX and ticket.key not in batch:
                batch[ticket.key] = ticket
            else:
                later.append(ticket)
        self._waiting = later
        if not later:
            self._filled.clear()
        return list(batch.values())

    async def _settle(self, batch: Sequence[_Ticket[Question, Reply]]) -> None:
        try:
            async with self._database.connection() as connection:
                replies = await self._answer_all(connection, [one.question for one in batch])
        except (HodhodError, *StoreError) as error:
            if len(batch) > 1 and not isinstance(error, Overloaded):
                for ticket in batch:
                    await self._settle([ticket])
                return
            for ticket in batch:
                if not ticket.reply.done():
                    ticket.reply.set_exception(error)
            return
        for ticket, reply in zip(batch, replies, strict=True):
            if not ticket.reply.done():  # else whoever asked has left
                ticket.reply.set_result(reply)
