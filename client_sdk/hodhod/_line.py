"""The line to the server: one connection at a time, opened again and again for as long as it takes.

The session decides what to ask and what to tell; the line connects, and lets callers wait. Always
true: a message is in the session file before it is sent; a caller waits at most `deadline_s`; what
ends the line for good is raised to everyone who asks afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Final, TypeVar

from hodhod._account import Account
from hodhod._conversation import Conversation
from hodhod._duties import BUSY_S, Duties, refusal_of
from hodhod._errors import (
    ConnectionLost,
    HodhodError,
    SendUnconfirmed,
    ServerNotUnderstood,
    SignedOut,
    StateUnusable,
    TryLater,
    TurnedAway,
)
from hodhod._keeper import Keeper
from hodhod._models import Event, Message, SendRefused
from hodhod._outbox import Pending
from hodhod._pulse import Pulse
from hodhod._reconnect import Backoff
from hodhod._session import Session
from hodhod._transport import Dial, Ended
from hodhod_wire.close_codes import AfterClose, CloseCode, after_close
from hodhod_wire.frames import Error, Push, Reply, Request

log: Final = logging.getLogger("hodhod")
R = TypeVar("R", bound=Reply)
STEADY_S: Final = 5.0  # a connection that lasted so long was a good one
BROKEN_LINK: Final = (None, 1006)  # nobody's decision: on a bad link waiting longer helps nobody
# Ends that everybody on the same server may see in the same moment.
SHARED_FATE: Final = (*BROKEN_LINK, 1001, 1012, CloseCode.GOING_AWAY, CloseCode.OVERLOADED)
GOODBYE_S: Final = 1.0


class Line:
    """Requests, sends and events of one signed-in user."""

    def __init__(
        self,
        session: Session,
        account: Account,
        keeper: Keeper,
        dial: Dial,
        *,
        deadline_s: float,
        dice: random.Random,
    ) -> None:
        self.session: Final = session
        self._account = account
        self._keeper = keeper
        self._dial = dial
        self._deadline_s = deadline_s
        self._dice = dice
        self._duties = Duties(session, self.changed, deadline_s=deadline_s)
        self._conversation: Conversation | None = None
        self._failure: HodhodError | None = None
        self._pulse = Pulse()
        self._writers: dict[int, asyncio.Future[Message | SendRefused]] = {}
        self._has_reader = False

    # --- for callers -----------------------------------------------------------------------------

    async def ask(self, request: Request, shape: type[R]) -> R:
        """A request that may be repeated: it is, until it is answered or the deadline comes.

        Raises `Refused`, `ConnectionLost`, and what ended the line.
        """
        busy: TryLater | None = None
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    answer = await self._ask_once(request)
                    if not isinstance(answer, Error):
                        break
                    busy = self._require_may_retry(answer)
                    await asyncio.sleep(busy.retry_after_s or BUSY_S)
        except TimeoutError:
            raise busy or ConnectionLost(f"no answer within {self._deadline_s:g} s") from None
        if not isinstance(answer, shape):
            raise ServerNotUnderstood(f"{type(answer).__name__} is no answer to this request")
        return answer

    async def tell(self, request: Request) -> None:
        """A hint that may be lost. Raises what ended the line."""
        if self._failure is not None:
            raise self._failure
        if self._conversation is not None:
            with contextlib.suppress(Ended):
                await self._conversation.tell(request)

    async def send(self, pending: Pending) -> Message:
        """Returns when the message is durable. Raises `Refused`, `SendUnconfirmed` …"""
        client_id = pending.client_id
        if client_id in self._writers:
            raise ValueError("somebody waits for this message already")
        outcome: asyncio.Future[Message | SendRefused] = asyncio.get_running_loop().create_future()
        self._writers[client_id] = outcome
        try:
            async with asyncio.timeout(self._deadline_s):
                returned = await self._deliver(pending, outcome)
        except TimeoutError:
            if outcome.done():
                returned = outcome.result()  # in the very moment of the deadline
            elif self.session.outbox.find(client_id) is None:
                raise ConnectionLost("too many messages wait before this one") from None
            else:
                raise SendUnconfirmed(client_id) from None
        finally:
            del self._writers[client_id]
            self.session.outbox.abandon(client_id)
        if isinstance(returned, SendRefused):
            raise returned.error
        return returned

    async def _deliver(
        self, pending: Pending, outcome: asyncio.Future[Message | SendRefused]
    ) -> Message | SendRefused:
        outbox = self.session.outbox
        while outbox.is_full and outbox.find(pending.client_id) is None:
            await self._wait()
        if self._failure is not None:
            raise self._failure
        outbox.add(pending)
        await self._keeper.save()
        outbox.release(pending.client_id)
        self._duties.nudge()
        return await asyncio.shield(outcome)  # it may be told while this leaves

    async def next_event(self) -> Event:
        """The next event, whenever it comes; the one before counts as done with.

        Raises what ended the line, after everything that had come before.
        """
        if self._has_reader:
            raise RuntimeError("events() is being read already; one reader at a time")
        self._has_reader = True
        try:
            while (event := self.session.next_event()) is None:
                self.changed()
                await self._wait()
        finally:
            self._has_reader = False
        self.changed()
        return event

    async def until_synced(self) -> None:
        """Returns when a first sync is complete. Raises `ConnectionLost`, and what ended it."""
        try:
            async with asyncio.timeout(self._deadline_s):
                while not self.session.is_synced:
                    await self._wait()
        except TimeoutError:
            raise ConnectionLost(f"not connected within {self._deadline_s:g} s") from None

    def changed(self) -> None:
        """The session took something: tell who waits, and see what is due now."""
        returned = self.session.outbox.returned
        while returned:
            outcome = returned.popleft()
            writer = self._writers.get(outcome.client_id)
            if writer is not None and not writer.done():
                writer.set_result(outcome)
        self._duties.nudge()
        self._keeper.touch()
        self._pulse.beat()

    # --- the connection --------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until there is no session any more."""
        backoff = Backoff(self._dice)
        while True:
            wait_s: float | None = None
            within_s = 0.0
            try:
                ended = await self._connect_once(backoff)
                wait_s, within_s = ended.retry_after_s, ended.within_s
            except (SignedOut, TurnedAway, StateUnusable) as error:
                self.fail(error)
                return
            except TryLater as error:
                wait_s = error.retry_after_s
            except HodhodError:
                pass  # no network, or somebody else's network: try again
            await asyncio.sleep(backoff.next_delay_s(wait_s, within_s))

    def fail(self, error: Exception) -> None:
        """The line is over; whoever waits or comes later is told why."""
        if not isinstance(error, HodhodError):
            error = HodhodError(f"the client stopped because of a defect: {type(error).__name__}")
        self._failure = error
        for writer in self._writers.values():
            if not writer.done():
                writer.set_exception(error)
        self._pulse.beat()

    async def say_goodbye(self) -> None:
        """Before a planned end: report what was handed over."""
        if self._conversation is not None:
            with contextlib.suppress(Ended, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._duties.report(self._conversation)

    async def _connect_once(self, backoff: Backoff) -> Ended:
        """One connection from dial to end. Returns how it ended."""
        token = await self._account.access_token()
        try:
            ended = await self._converse(token, backoff)
        except Ended as refused:
            ended = refused
        log.debug("The connection ended with code %s.", ended.code)
        match after_close(ended.code):
            case AfterClose.REFRESH_THEN_RECONNECT:
                await self._account.renew(token)
            case AfterClose.STOP if ended.code == CloseCode.SESSION_ENDED:
                await self._account.sign_out()
                raise SignedOut("this device was signed out")
            case AfterClose.STOP:
                raise TurnedAway(ended.code or 0)
        return ended

    async def _converse(self, token: str, backoff: Backoff) -> Ended:
        connection = await self._dial(token)
        log.debug("Connected.")
        started_s = asyncio.get_running_loop().time()
        self._conversation = Conversation(connection)
        self._pulse.beat()
        try:
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._duties.run(self._conversation))
                ended = await self._conversation.read(self._take_push)
                working.cancel()
        finally:
            self._conversation = None
            self.session.disconnected()
            self._pulse.beat()
            await connection.close()
        lasted_s = asyncio.get_running_loop().time() - started_s
        if lasted_s >= STEADY_S or ended.code in BROKEN_LINK:
            backoff.reset()
        within_s = connection.reconnect_within_s if ended.code in SHARED_FATE else 0.0
        return Ended(ended.code, ended.retry_after_s, within_s)

    def _take_push(self, push: Push) -> None:
        self.session.take_push(push, asyncio.get_running_loop().time())
        self.changed()

    async def _ask_once(self, request: Request) -> Reply:
        ended: Conversation | None = None
        while True:
            while self._conversation is None or self._conversation is ended:
                await self._wait()
            ended = self._conversation
            with contextlib.suppress(Ended):
                return await ended.ask(request)

    def _require_may_retry(self, error: Error) -> TryLater:
        refused = refusal_of(error)
        if not isinstance(refused, TryLater) or (refused.retry_after_s or 0.0) > self._deadline_s:
            raise refused
        return refused

    async def _wait(self) -> None:
        """Until something changes. Raises what ended the line."""
        if self._failure is not None:
            raise self._failure
        await self._pulse.wait()
