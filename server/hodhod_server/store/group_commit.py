"""Group commit: many senders, one fsync.

A sender hands over a draft and gets a future; one loop writes whatever gathered while the previous
commit ran, in a single statement, so throughput grows with the batch while latency stays near one
commit. A resend makes the statement fail whole; then what was written before is looked up and the
rest is written again.

Always true: a future is fulfilled only after COMMIT has returned. A batch holds at most
`batch_rows_max` rows. The queue is bounded in rows and in time; a full one refuses (`Overloaded`),
and those who were let in are served in time, however many more would come.
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
from hodhod_server.domain.load import DrainRate
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
    __slots__ = ("done", "draft", "since_s")

    def __init__(self, draft: Draft, done: asyncio.Future[Appended], since_s: float) -> None:
        self.draft = draft
        self.done = done
        self.since_s = since_s


class GroupCommit:
    """The writer of one process. `on_committed` gets each batch right after its COMMIT."""

    def __init__(
        self,
        database: Database,
        settings: GroupCommitSettings,
        clock: Clock,
        on_committed: Callable[[Sequence[Committed]], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._on_committed = on_committed
        self._queue: deque[_Ticket] = deque()
        self._filled = asyncio.Event()
        self._drain = DrainRate()
        self._is_committing = False

    def submit(self, draft: Draft) -> asyncio.Future[Appended]:
        """Queue a draft. Raises `Overloaded` at once when the queue is full.

        The future raises `ClientIdReused`, `ChatNotFound`, or, when the database failed,
        `Overloaded`: then the draft may be durable or not, and a resend tells.
        """
        self.require_room()
        loop = asyncio.get_running_loop()
        ticket = _Ticket(draft, loop.create_future(), loop.time())
        self._queue.append(ticket)
        self._filled.set()
        return ticket.done

    def is_idle(self) -> bool:
        """Nothing waits and nothing is being written."""
        return not self._queue and not self._is_committing

    def is_behind(self) -> bool:
        """More waits than the next commit takes."""
        return len(self._queue) >= self._settings.batch_rows_max

    def require_room(self) -> None:
        """Raises `Overloaded` while the queue is full, with the time that it needs."""
        queue, bounds = self._queue, self._settings
        if not queue:
            return
        waited_s = asyncio.get_running_loop().time() - queue[0].since_s
        if len(queue) >= bounds.queue_rows_max or waited_s > bounds.queue_s_max:
            raise Overloaded(retry_after_s=self._drain.retry_after_s(len(queue)))

    async def run(self) -> None:
        """Commit batch after batch, until cancelled."""
        while True:
            await self._filled.wait()
            if self._settings.linger_ms:
                await asyncio.sleep(self._settings.linger_ms / 1000)
            batch = self._take()
            self._is_committing = True
            metrics.COMMIT_ROWS.observe(len(batch))
            metrics.COMMIT_QUEUE.set(len(self._queue))
            with metrics.COMMIT_SECONDS.time():
                await self._commit(batch)
            self._is_committing = False
            self._drain.note(len(batch), asyncio.get_running_loop().time())

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
