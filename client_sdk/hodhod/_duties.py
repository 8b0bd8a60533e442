"""What the client does by itself on every connection: catch up, send the outbox, report deliveries.

The session and its outbox say what is due; each duty does it, and sleeps until it is nudged or the
next moment comes. When the connection ends the duties end with it; what was under way is in doubt,
and the session knows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from hodhod._conversation import Conversation
from hodhod._errors import Refused, TryLater, refusal
from hodhod._outbox import Pending
from hodhod._pulse import until
from hodhod._session import Session
from hodhod._transport import Ended
from hodhod_wire.errors import ErrorCode
from hodhod_wire.frames import (
    Error,
    History,
    Page,
    Reply,
    Send,
    Sent,
    Sync,
    Synced,
)

REPORT_EVERY_S: Final = 0.3  # delivered marks: each chat at most three a second
IN_FLIGHT_MAX: Final = 32  # sends without a reply; half of what a gateway works on at once
BUSY_S: Final = 1.0  # the wait after a refusal that names none


class Duties:
    """The duties of one session."""

    def __init__(self, session: Session, changed: Callable[[], None], *, deadline_s: float) -> None:
        self._session = session
        self._deadline_s = deadline_s
        self._changed = changed
        self._to_ask = asyncio.Event()
        self._to_send = asyncio.Event()
        self._to_report = asyncio.Event()

    def nudge(self) -> None:
        """Something came in, or was handed over: look again at what is due."""
        self._to_ask.set()
        self._to_send.set()
        self._to_report.set()

    async def run(self, conversation: Conversation) -> None:
        """Do them until cancelled, or until the connection ends."""
        self._session.connected()
        self.nudge()
        async with asyncio.TaskGroup() as tasks:
            for duty in (self._catch_up, self._send_outbox, self._report):
                tasks.create_task(_until_ended(duty(conversation)))

    async def report(self, conversation: Conversation) -> None:
        """Tell how far chats were handed over. Raises `Ended`."""
        for report in self._session.receipts.take():
            await conversation.tell(report)

    async def _catch_up(self, conversation: Conversation) -> None:
        while True:
            request = self._session.next_request(_now_s())
            if request is None:
                await until(self._to_ask, self._session.next_due_s())
            else:
                self._take_answer(request, await conversation.ask(request))
                self._changed()

    def _take_answer(self, request: Sync | History, answer: Reply) -> None:
        now_s = _now_s()
        match request, answer:
            case Sync(), Synced() as synced:
                self._session.take_synced(synced, now_s)
            case History(), Page() as page:
                self._session.take_page(page, now_s)
            case _, Error() as error:
                may_retry = isinstance(refusal_of(error), TryLater)
                self._session.fail(now_s, error.retry_after, may_retry=may_retry)
            case _:
                self._session.fail(now_s, None, may_retry=True)

    async def _send_outbox(self, conversation: Conversation) -> None:
        outbox = self._session.outbox
        window = asyncio.Semaphore(IN_FLIGHT_MAX)
        while True:
            for pending in outbox.due(_now_s()):
                await window.acquire()
                await self._send(pending, conversation, window)
            await until(self._to_send, outbox.next_due_s())

    async def _send(
        self, pending: Pending, conversation: Conversation, window: asyncio.Semaphore
    ) -> None:
        outbox = self._session.outbox
        if outbox.find(pending.client_id) is None:
            window.release()  # acknowledged meanwhile, by its event
            return
        outbox.sent_out(pending.client_id)
        frame = Send(chat=pending.chat, client_id=pending.client_id, body=pending.body)
        reply = await conversation.post(frame)
        reply.add_done_callback(partial(self._take_reply, pending, window))

    def _take_reply(
        self, pending: Pending, window: asyncio.Semaphore, reply: asyncio.Future[Reply]
    ) -> None:
        window.release()
        if reply.cancelled() or reply.exception() is not None:
            return  # in doubt; sent again on the next connection
        answer = reply.result()
        if isinstance(answer, Sent):
            self._session.take_sent(pending.client_id, answer, _now_s())
        elif isinstance(answer, Error):
            self._refused(pending, answer)
        self._changed()

    def _refused(self, pending: Pending, error: Error) -> None:
        refused = refusal_of(error)
        outbox = self._session.outbox
        if isinstance(refused, TryLater) and not self._is_for_the_writer(pending, refused):
            outbox.rest(pending.client_id, _now_s() + (refused.retry_after_s or BUSY_S))
            return
        unheard = outbox.refuse(pending.client_id, refused)
        if unheard is not None:
            self._session.take_refused(unheard)

    def _is_for_the_writer(self, pending: Pending, refused: TryLater) -> bool:
        """Slow mode is a rule for people: one who waits for the message is told how long."""
        is_long = (refused.retry_after_s or 0.0) > self._deadline_s
        is_rule = refused.code == ErrorCode.SLOW_MODE
        return is_rule and is_long and self._session.outbox.is_awaited(pending.client_id)

    async def _report(self, conversation: Conversation) -> None:
        while True:
            await until(self._to_report, None)
            await self.report(conversation)
            await asyncio.sleep(REPORT_EVERY_S)


async def _until_ended(duty: Awaitable[None]) -> None:
    with contextlib.suppress(Ended):
        await duty


def refusal_of(error: Error) -> Refused:
    """The exception for an error frame."""
    return refusal(error.code, error.titles, error.detail, retry_after_s=error.retry_after)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
