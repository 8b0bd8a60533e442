"""Group commit: many senders, one fsync.

A sender hands over a draft and gets a future; one loop writes whatever gathered while the previous
commit ran, in a single statement, so throughput grows with the batch while latency stays near one
commit. A resend makes the statement fail whole; then what was written before is looked up and the
rest is written again. Drafts whose chat has changed since they were allowed are checked again while
the chat is held, and written before the next batch, so that order is kept.

Always true: a future is fulfilled only after COMMIT has returned. A batch holds at most
`batch_rows_max` rows. The queue is bounded in rows; beyond, senders wait in line, so that work that
cannot be done yet is not even read, and are refused (`Overloaded`) when their turn would come late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set

import asyncpg
import msgspec

from hodhod_server.domain.chat_log import Appended, Draft
from hodhod_server.domain.clock import Clock
from hodhod_server.domain.errors import ClientIdReused, HodhodError, MediaNotFound, Overloaded
from hodhod_server.domain.ids import MediaId
from hodhod_server.domain.load import DrainRate
from hodhod_server.settings import GroupCommitSettings
from hodhod_server.store import media_uses, messages
from hodhod_server.store.database import Connections, StoreError, Tx
from hodhod_server.store.linger import Linger
from hodhod_server.telemetry import logs, metrics

log = logs.get("group_commit")
RETRY_AFTER_S = 1.0
# Each settles at least one draft that another gateway wrote meanwhile; one is for changed chats.
ROUNDS_MAX = 6


class Committed(msgspec.Struct, frozen=True):
    """A draft that is durable, as its chat's log has it.

    Resends are among them: the first send may have been committed by a process that died before
    anybody was told. Who has the event already ignores it by its seq.
    """

    draft: Draft
    appended: Appended


Recheck = Callable[[Tx, Sequence[Draft]], Awaitable[list[Draft | HodhodError]]]
_Key = tuple[int, int]
_Outcome = Committed | HodhodError
_Write = Callable[[Tx, Sequence[Draft]], Awaitable[dict[_Key, _Outcome]]]


class _Ticket:
    __slots__ = ("done", "draft", "since_s")

    def __init__(self, draft: Draft, done: asyncio.Future[Appended], since_s: float) -> None:
        self.draft = draft
        self.done = done
        self.since_s = since_s


class GroupCommit:
    """The writer of one process. `on_committed` gets each batch right after its COMMIT.

    `recheck` says of each draft that was allowed at another version of its chat what it is now: the
    draft with the new version, or a refusal. It reads in the transaction that it is given.
    `on_doubt` gets the drafts of a statement that failed on the way: they may be durable, and
    nobody else would ever tell the others.
    """

    def __init__(
        self,
        database: Connections,
        settings: GroupCommitSettings,
        clock: Clock,
        on_committed: Callable[[Sequence[Committed]], None],
        recheck: Recheck,
        on_doubt: Callable[[Sequence[Draft]], None] = lambda drafts: None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._on_committed = on_committed
        self._recheck = recheck
        self._on_doubt = on_doubt
        self._queue: deque[_Ticket] = deque()
        self._line: deque[asyncio.Future[None]] = deque()
        self._filled = asyncio.Event()
        self._linger = Linger(settings.linger_ms / 1000)
        self._drain = DrainRate()
        self._is_committing = False

    def has_room(self) -> bool:
        """Would `room` return at once?"""
        return not self._line and len(self._queue) < self._settings.queue_rows_max

    async def room(self) -> None:
        """Wait for one's turn to submit, in the order of coming.

        Raises `Overloaded` where it does not come in time, and at once where it cannot.
        """
        if self.has_room():
            return
        if self._is_hopeless():
            raise self._refusal()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            async with asyncio.timeout(self._settings.queue_s_max):
                await place
        except TimeoutError:
            raise self._refusal() from None

    def submit(self, draft: Draft) -> asyncio.Future[Appended]:
        """Queue a draft; `room` was awaited before.

        The future raises `ClientIdReused`, what `recheck` says, or, when the database failed,
        `Overloaded`: then the draft may be durable or not, and a resend tells.
        """
        loop = asyncio.get_running_loop()
        ticket = _Ticket(draft, loop.create_future(), loop.time())
        self._queue.append(ticket)
        self._filled.set()
        return ticket.done

    def is_idle(self) -> bool:
        """Nothing waits and nothing is being written."""
        return not self._queue and not self._is_committing

    async def run(self) -> None:
        """Commit batch after batch, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._filled.wait()
            if wait_s := self._linger.wait_s(len(self._queue)):
                await asyncio.sleep(wait_s)
            batch = self._take()
            self._linger.took(len(batch), loop.time())
            self._is_committing = True
            metrics.COMMIT_ROWS.observe(len(batch))
            metrics.COMMIT_QUEUE.set(len(self._queue))
            with metrics.COMMIT_SECONDS.time():
                await self._commit(batch)
            self._is_committing = False
            self._drain.note(len(batch), loop.time())

    def _take(self) -> list[_Ticket]:
        count = min(len(self._queue), self._settings.batch_rows_max)
        batch = [self._queue.popleft() for _ in range(count)]
        if not self._queue:
            self._filled.clear()
        self._call_in()
        return batch

    def _call_in(self) -> None:
        """Let as many submit as there are places."""
        free = self._settings.queue_rows_max - len(self._queue)
        while self._line and free > 0:
            place = self._line.popleft()
            if not place.done():  # else it was given up
                place.set_result(None)
                free -= 1

    def _is_hopeless(self) -> bool:
        """Nothing moves, or too many are there already."""
        bound_s = self._settings.queue_s_max
        if self._queue and asyncio.get_running_loop().time() - self._queue[0].since_s > bound_s:
            return True
        return self._drain.needed_s(len(self._queue) + len(self._line)) > bound_s

    def _refusal(self) -> Overloaded:
        waiting = len(self._queue) + len(self._line)
        return Overloaded(retry_after_s=self._drain.retry_after_s(waiting))

    async def _commit(self, batch: Sequence[_Ticket]) -> None:
        results = await self._write([ticket.draft for ticket in batch])
        committed = []
        for ticket, result in zip(batch, results, strict=True):
            if isinstance(result, Committed):
                _settle(ticket.done, result.appended)
                committed.append(result)
            else:
                _settle(ticket.done, result)
        if committed:
            self._on_committed(committed)

    async def _write(self, drafts: Sequence[Draft]) -> list[_Outcome]:
        """What became of each draft. Where a round fails, what earlier ones settled stays so."""
        waiting: dict[_Key, Draft] = {}
        for draft in drafts:
            waiting.setdefault(_key(draft), draft)  # a resend may meet its original in one batch
        settled: dict[_Key, _Outcome] = {}
        is_stale = False
        for _ in range(ROUNDS_MAX):
            write = self._write_rechecked if is_stale else self._write_as_allowed
            try:
                async with self._database.connection() as connection:
                    written = await self._try(write, connection, list(waiting.values()))
                    if written is None:
                        settled |= await _find_written(connection, waiting)
                    else:
                        settled |= written
                        is_stale = True  # what is left has been allowed for another version
            except (Overloaded, *StoreError) as error:
                log.warning("batch.failed", rows=len(waiting), error=type(error).__name__)
                break
            waiting = {key: draft for key, draft in waiting.items() if key not in settled}
            if not waiting:
                break
        return [_result(draft, settled.get(_key(draft))) for draft in drafts]

    async def _try(
        self, write: _Write, connection: Tx, drafts: Sequence[Draft]
    ) -> dict[_Key, _Outcome] | None:
        """`None`: nothing was written, because some of it had been before."""
        try:
            return await write(connection, drafts)
        except asyncpg.UniqueViolationError:
            metrics.COMMIT_CONFLICTS.inc()
            return None
        except StoreError:
            self._on_doubt(drafts)
            raise

    async def _write_as_allowed(
        self, connection: Tx, drafts: Sequence[Draft]
    ) -> dict[_Key, _Outcome]:
        """Write what fits the versions of the chats."""
        if files := {MediaId(draft.media) for draft in drafts if draft.media}:
            return await self._write_with_files(connection, drafts, files)
        return _placed(drafts, await messages.append(connection, drafts, self._clock.now()))

    async def _write_with_files(
        self, connection: Tx, drafts: Sequence[Draft], files: Set[MediaId]
    ) -> dict[_Key, _Outcome]:
        """Write them with the files that they name. One that was removed a moment ago is refused:
        nobody would ever tell its chat.
        """
        async with connection.transaction():
            missing = files - await media_uses.hold(connection, files)
            left = [draft for draft in drafts if draft.media not in missing]
            places = await messages.append(connection, left, self._clock.now())
            await media_uses.add(connection, left, places)
        settled: dict[_Key, _Outcome] = {
            _key(draft): MediaNotFound() for draft in drafts if draft.media in missing
        }
        return settled | _placed(left, places)

    async def _write_rechecked(
        self, connection: Tx, drafts: Sequence[Draft]
    ) -> dict[_Key, _Outcome]:
        """Hold the chats, so that they do not change once more, check again, and write."""
        metrics.COMMIT_RECHECKED.inc(len(drafts))
        async with connection.transaction():
            await messages.lock_chats(connection, {draft.chat for draft in drafts})
            verdicts = await self._recheck(connection, drafts)
            refused = {
                _key(draft): verdict
                for draft, verdict in zip(drafts, verdicts, strict=True)
                if isinstance(verdict, HodhodError)
            }
            allowed = [verdict for verdict in verdicts if isinstance(verdict, Draft)]
            return refused | await self._write_as_allowed(connection, allowed)


def _placed(drafts: Sequence[Draft], places: Sequence[Appended | None]) -> dict[_Key, _Outcome]:
    return {
        _key(draft): Committed(draft, place)
        for draft, place in zip(drafts, places, strict=True)
        if place is not None
    }


def _key(draft: Draft) -> _Key:
    return draft.sender, draft.client_id


async def _find_written(connection: Tx, waiting: Mapping[_Key, Draft]) -> dict[_Key, _Outcome]:
    found = await messages.find_appended(connection, waiting.values())
    return {key: _as_it_was(waiting[key], found[key]) for key in found}


def _as_it_was(draft: Draft, found: messages.Found) -> Committed:
    """A resend tells what the log has, whatever the resend says.

    It tells nobody where the chat has changed since: its audience may be an old one.
    """
    original = msgspec.structs.replace(
        draft,
        body=found.body,
        hides_sender=found.hides_sender,
        audience=draft.audience if found.version == draft.version else (),
    )
    return Committed(original, found.appended)


def _result(draft: Draft, outcome: _Outcome | None) -> _Outcome:
    if outcome is None:
        return Overloaded(retry_after_s=RETRY_AFTER_S)
    if isinstance(outcome, HodhodError):
        return outcome
    return ClientIdReused() if outcome.appended.chat != draft.chat else outcome


def _settle(done: asyncio.Future[Appended], result: Appended | HodhodError) -> None:
    if done.cancelled():
        return
    if isinstance(result, Appended):
        done.set_result(result)
    else:
        done.set_exception(result)
