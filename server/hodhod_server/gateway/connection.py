"""One connection: hello, then requests until it ends. It knows frames and order, no business.

`send` frames are taken one by one, so that their order is the order in the log; their replies come
when the message is durable. Every other request is worked on beside the reading, a bounded number
at once; when that is reached, reading waits and the client feels it.

Always true: each request gets exactly one reply, unless its `ref` is 0 (refusals are told even
then); a refused frame leaves the connection open until there are too many of them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, get_args

from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.clock import Clock, to_ms
from hodhod_server.domain.errors import (
    HodhodError,
    Internal,
    Malformed,
    Overloaded,
    TooLarge,
    Unauthenticated,
    WrongState,
)
from hodhod_server.domain.tokens import Caller
from hodhod_server.gateway.commands import Commands
from hodhod_server.gateway.doors import Doors
from hodhod_server.gateway.writer import Transport, Writer
from hodhod_server.settings import GatewaySettings
from hodhod_server.telemetry import logs, metrics
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import Codec, InvalidFrame
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode
from hodhod_wire.frames import (
    ClientFrame,
    Error,
    Hello,
    History,
    Reply,
    Send,
    Sent,
    Sync,
    Titles,
    Welcome,
)
from hodhod_wire.limits import FRAME_BYTES_MAX

log = logs.get("connection")
CLOSE_S: Final = 2.0
ERROR_WINDOW_S: Final = 60.0
FRAMES_IN: Final = {
    shape: metrics.FRAMES_IN.labels(shape.__name__) for shape in get_args(ClientFrame)
}
# A refusal has to be cheap: what does not change is made once.
REFUSALS: Final = {code: metrics.REFUSALS.labels(str(code)) for code in ErrorCode}
TITLES: Final = {code: Titles(en=text.en, fa=text.fa) for code, text in ERROR_TEXTS.items()}


class Connection:
    """One client on one transport."""

    def __init__(
        self,
        transport: Transport,
        codec: Codec,
        doors: Doors,
        commands: Commands,
        settings: GatewaySettings,
        clock: Clock,
    ) -> None:
        self.id: Final = secrets.randbits(63) | 1
        self.codec: Final = codec
        self._transport = transport
        self._doors = doors
        self._commands = commands
        self._settings = settings
        self._clock = clock
        self._writer = Writer(transport, settings.send_queue_bytes_max)
        self._caller: Caller | None = None
        self._in_flight = asyncio.Semaphore(settings.requests_in_flight_max)
        self._paging = asyncio.Lock()
        self._refused_at: deque[float] = deque(maxlen=settings.errors_max)
        self._tasks: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[object] | None = None
        self._close_code: CloseCode | None = None

    @property
    def caller(self) -> Caller:
        """Who is connected; known from the welcome on."""
        if self._caller is None:
            raise WrongState("say hello first")
        return self._caller

    async def run(self, token: str | None) -> None:
        """Serve the client until the connection is over. `token` came with the upgrade."""
        self._task = asyncio.current_task()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                self._doors.come(self)
                if (greeted := await self._greet(token)) is not None:
                    await self._serve(*greeted)
                await asyncio.sleep(0)  # a `disconnect` of the last moment arrives here
            except asyncio.CancelledError:
                if self._close_code is None or self._task is None:
                    raise
                self._task.uncancel()  # it was `disconnect` that woke the reading
            finally:
                self._task = None
                self._doors.go(self)
            if self._close_code is not None:
                await self._say_goodbye(self._close_code)

    def push(self, frame: bytes) -> None:
        """Queue a frame in this connection's codec. A client that does not keep up is let go."""
        if not self._writer.enqueue(frame):
            self.disconnect(CloseCode.SLOW_CONSUMER)

    def disconnect(self, code: CloseCode) -> None:
        """End the connection soon, telling the client why if it still listens."""
        if self._close_code is not None or self._task is None:
            return
        self._close_code = code
        metrics.CONNECTIONS_CLOSED.labels(code.name).inc()
        self._task.cancel()

    async def _say_goodbye(self, code: CloseCode) -> None:
        """What is queued, then the close code; a client that does not read is given up soon."""
        giving_up = asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)
        try:
            await self._transport.close(code)
        finally:
            giving_up.cancel()

    async def _greet(self, token: str | None) -> tuple[Hello, Caller] | None:
        """The client's hello and who it is; `None` when it does not get that far."""
        try:
            async with asyncio.timeout(self._settings.hello_timeout_s):
                hello = await self._first_hello()
        except TimeoutError:
            self.disconnect(CloseCode.HELLO_TIMEOUT)
            return None
        if hello is None:
            return None
        try:
            await self._doors.require_room()
            # Also what the upgrade checked: the session may have been ended since.
            caller = self._doors.authenticate(token if hello.token is None else hello.token)
        except (Unauthenticated, Overloaded) as refusal:
            is_full = isinstance(refusal, Overloaded)
            self._refuse(hello.ref, refusal)
            self.disconnect(CloseCode.OVERLOADED if is_full else CloseCode.TOKEN_REJECTED)
            return None
        return hello, caller

    async def _first_hello(self) -> Hello | None:
        while (frame := await self._next()) is not None:
            if isinstance(frame, Hello):
                return frame
            self._refuse(frame.ref, WrongState("say hello first"))
        return None

    async def _serve(self, hello: Hello, caller: Caller) -> None:
        self._caller = caller
        try:
            await self._doors.enter(self)
            self._reply(
                Welcome(
                    ref=hello.ref,
                    user=caller.user,
                    device=caller.device,
                    at=to_ms(self._clock.now()),
                    heartbeat_s=max(1, round(self._settings.heartbeat_s)),
                    reconnect_within_ms=self._doors.reconnect_within_ms,
                )
            )
            while (frame := await self._next()) is not None:
                await self._take(frame, caller)
        finally:
            self._doors.leave(self)

    async def _take(self, frame: ClientFrame, caller: Caller) -> None:
        FRAMES_IN[type(frame)].inc()
        try:
            self._commands.admit(frame)
        except Overloaded as refusal:
            self._refuse(frame.ref, refusal)
            return
        await self._in_flight.acquire()
        if isinstance(frame, Send):
            await self._send(frame, caller)
        elif self._tasks is not None:
            page = isinstance(frame, Sync | History)
            answer = self._answer_page if page else self._answer
            self._tasks.create_task(answer(frame, caller))

    async def _next(self) -> ClientFrame | None:
        """The client's next frame, `None` when it has left. What is no frame is refused."""
        while True:
            try:
                data = await self._transport.receive()
                if data is None:
                    return None
                if len(data) <= FRAME_BYTES_MAX:
                    return self.codec.decode_client(data)
                self._refuse(0, TooLarge(f"a frame has at most {FRAME_BYTES_MAX} bytes"))
            except InvalidFrame as error:
                metrics.FRAMES_IN.labels("invalid").inc()
                self._refuse(error.ref, Malformed(str(error)))

    async def _send(self, frame: Send, caller: Caller) -> None:
        if not self._commands.has_room():
            self._transport.pause()  # what cannot be served yet stays with the client
        try:
            done = await self._commands.send(caller, frame, self.id)
        except HodhodError as refusal:
            self._in_flight.release()
            self._refuse(frame.ref, refusal)
        except Exception:
            log.exception("frame.failed")
            self._in_flight.release()
            self._refuse(frame.ref, Internal())
        else:
            done.add_done_callback(partial(self._sent, frame.ref))

    def _sent(self, ref: int, done: asyncio.Future[Appended]) -> None:
        self._in_flight.release()
        try:
            appended = done.result()
        except HodhodError as refusal:
            self._refuse(ref, refusal)
        else:
            self._reply(Sent(ref=ref, chat=appended.chat, seq=appended.seq, at=appended.at_ms))

    async def _answer_page(self, frame: ClientFrame, caller: Caller) -> None:
        """Pages are large: one at a time, and none is read before the last is on its way."""
        async with self._paging:
            if await self._writer.room():
                await self._answer(frame, caller, self._writer.enqueue_page)
            else:
                self._in_flight.release()

    async def _answer(
        self,
        frame: ClientFrame,
        caller: Caller,
        enqueue: Callable[[bytes], None] | None = None,
    ) -> None:
        try:
            reply = await self._commands.answer(caller, frame)
            if reply.ref:
                (enqueue or self.push)(self.codec.encode_server(reply))
        except HodhodError as refusal:
            self._refuse(frame.ref, refusal)
        except Exception:
            log.exception("frame.failed")  # the outermost layer of the edge: nobody expected this
            self._refuse(frame.ref, Internal())
        finally:
            self._in_flight.release()

    def _reply(self, reply: Reply) -> None:
        if reply.ref:
            self.push(self.codec.encode_server(reply))

    def _refuse(self, ref: int, refusal: HodhodError) -> None:
        """Tell the client, and let go of one that does nothing but err."""
        REFUSALS[refusal.code].inc()
        self.push(
            self.codec.encode_server(
                Error(
                    ref=ref,
                    code=str(refusal.code),
                    titles=TITLES[refusal.code],
                    detail=refusal.detail,
                    retry_after=refusal.retry_after_s,
                )
            )
        )
        if ERROR_TEXTS[refusal.code].may_retry:
            return  # our fault, not the client's
        now = asyncio.get_running_loop().time()
        self._refused_at.append(now)
        is_full = len(self._refused_at) == self._refused_at.maxlen
        if is_full and now - self._refused_at[0] < ERROR_WINDOW_S:
            self.disconnect(CloseCode.TOO_MANY_ERRORS)
