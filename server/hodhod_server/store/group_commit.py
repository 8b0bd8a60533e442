"""Group commit: many senders, one fsync.

A sender hands over a draft and gets a future; one loop writes whatever gathered while the previous
commit ran, in a single statement, so throughput grows with the batch while latency stays near one
commit. A resend makes the statement fail whole; then what was written before is looked up and the
rest is written again.

Always true: a future is fulfilled only after COMMIT has returned. A batch holds at most
`batch_rows_max` rows. The queue is bounded, and a full one refuses (`Overloaded`), never grows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import asyncpg
import msgspec

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ChatNotFound, ClientIdReused, HodhodError, Overloaded
from hodhod_server.settings import GroupCommitSettings
from hodhod_server.store import messages
from hodhod_server.store.database import Database, StoreError, Tx
from hodhod_server.telemetry import logs, metrics

log = logs.get("group_commit")
RETRY_AFTER_S = 1.0
CONFLICT_ROUNDS_MAX = (
    5  # each round settles at least one draft that another gateway wrote meanwhile
)


class Committed(msgspec.Struct, frozen=True):
    """A draft that is durable, as its chat's log has it.

    Resends are among them: the first send may have been committed by a process that died before
    anybody was told. Who has the event already ignores it by its seq.
    """

    draft: Draft
    appended: Appended


class _Ticket:
    __slots__ = ("done", "draft")

    def __init__(self, draft: Draft, done: asyncio.Future[Appended]) -> None:
        self.draft = draft
        self.done = done


class GroupCommit:
    """The writer of one process. `on_committed` gets each batch right after its COMMIT.

    `on_doubt` gets the drafts of a statement that failed on the way: they may be durable, and
    nobody else would ever tell the others.
    """

    def __init__(
        self,
        database: Database,
        settings: GroupCommitSettings,
        clock: Clock,
        on_committed: Callable[[Sequence[Committed]], None],
        on_doubt: Callable[[Sequence[Draft]], None] = lambda drafts: None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._on_committed = on_committed
        self._on_doubt = on_doubt
        self._queue: deque[_Ticket] = deque()
        self._filled = asyncio.Event()

    def submit(self, draft: Draft) -> asyncio.Future[Appended]:
        """Queue a draft. Raises `Overloaded` at once when the queue is full.

        The future raises `ClientIdReused`, `ChatNotFound`, or, when the database failed,
        `Overloaded`: then the draft may be durable or not, and a resend tells.
        """
        if len(self._queue) >= self._settings.queue_rows_max:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        ticket = _Ticket(draft, asyncio.get_running_loop().create_future())
        self._queue.append(ticket)
        self._filled.set()
        return ticket.done

    async def run(self) -> None:
        """Commit batch after batch, until cancelled."""
        while True:
            await self._filled.wait()
            if self._settings.linger_ms:
                await asyncio.sleep(self._settings.linger_ms / 1000)
            batch = self._take()
            metrics.COMMIT_ROWS.observe(len(batch))
            metrics.COMMIT_QUEUE.set(len(self._queue))
            with metrics.COMMIT_SECONDS.time():
                await self._commit(batch)

    def _take(self) -> list[_Ticket]:
        count = min(len(self._queue), self._settings.batch_rows_max)
        batch = [self._queue.popleft() for _ in range(count)]
        if not self._queue:
            self._filled.clear()
        return batch

    async def _commit(self, batch: Sequence[_Ticket]) -> None:
        try:
            results = await self._write([ticket.draft for ticket in batch])
        except (Overloaded, *StoreError) as error:
            log.warning("batch.failed", rows=len(batch), error=type(error).__name__)
            results = [Overloaded(retry_after_s=RETRY_AFTER_S) for _ in batch]
        committed = []
        for ticket, result in zip(batch, results, strict=True):
            _settle(ticket.done, result)
            if isinstance(result, Appended):
                committed.append(Committed(ticket.draft, result))
        if committed:
            self._on_committed(committed)

    async def _write(self, drafts: Sequence[Draft]) -> list[Appended | HodhodError]:
        """What became of each draft."""
        async with self._database.connection() as connection:
            known: dict[tuple[int, int], Appended] = {}
            for _ in range(CONFLICT_ROUNDS_MAX):
                fresh = _first_of_each(drafts, known)
                try:
                    written = await messages.append(connection, fresh, self._clock.now())
                except asyncpg.UniqueViolationError:
                    known |= await self._find_written(connection, drafts)
                    continue
                except StoreError:
                    self._on_doubt(fresh)
                    raise
                return _results(drafts, known, dict(zip(map(_key, fresh), written, strict=True)))
        return [Overloaded(retry_after_s=RETRY_AFTER_S) for _ in drafts]

    async def _find_written(
        self, connection: Tx, drafts: Sequence[Draft]
    ) -> dict[tuple[int, int], Appended]:
        metrics.COMMIT_CONFLICTS.inc()
        found = await messages.find_appended(connection, drafts)
        return {(sender, client_id): appended for (sender, client_id), appended in found.items()}


def _key(draft: Draft) -> tuple[int, int]:
    return draft.sender, draft.client_id


def _first_of_each(drafts: Sequence[Draft], known: dict[tuple[int, int], Appended]) -> list[Draft]:
    """The drafts still to be written, without resends that met their original in one batch."""
    first: dict[tuple[int, int], Draft] = {}
    for draft in drafts:
        if _key(draft) not in known:
            first.setdefault(_key(draft), draft)
    return list(first.values())


def _results(
    drafts: Sequence[Draft],
    known: dict[tuple[int, int], Appended],
    written: dict[tuple[int, int], Appended | None],
) -> list[Appended | HodhodError]:
    results: list[Appended | HodhodError] = []
    for draft in drafts:
        key = _key(draft)
        appended = known.get(key) or written.get(key)
        if appended is None:
            results.append(ChatNotFound())
        elif appended.chat != draft.chat:
            results.append(ClientIdReused())
        else:
            results.append(appended)
    return results


def _settle(done: asyncio.Future[Appended], result: Appended | HodhodError) -> None:
    if done.cancelled():
        return
    if isinstance(result, Appended):
        done.set_result(result)
    else:
        done.set_exception(result)
