"""One connection: hello, then requests until it ends. It knows frames and order, no business.

Frames are handed in as they come and are taken in order. `send` frames are taken one by one, so
that their order is the order in the log; their replies come when it is durable. Every other
request is worked on beside that, a bounded number at once. What comes while one has to wait
queues here, a little, then with the client. While nothing happens there is no task and no timer.

Always true: each request gets exactly one reply, unless its `ref` is 0 (refusals are told even
then); a refused frame leaves the connection open until there are too many of them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from hodhod_server.domain.chat_log import Appended
from hodhod_server.domain.clock import to_ms
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
from hodhod_server.gateway import refusals
from hodhod_server.gateway.house import House
from hodhod_server.gateway.refusals import Patience
from hodhod_server.gateway.writer import Transport, Writer
from hodhod_server.telemetry import logs, metrics
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import Codec, InvalidFrame
from hodhod_wire.frames import (
    ClientFrame,
    Hello,
    History,
    Reply,
    Send,
    Sent,
    Sync,
    Synced,
    Welcome,
)
from hodhod_wire.limits import FRAME_BYTES_MAX

log = logs.get("connection")
NORMAL_CLOSURE: Final = 1000
HELD_FRAMES_MAX: Final = 64  # that wait here; the rest stays with the client


class Connection:
    """One client on one transport, from `begin` to `lost`. `proven` is whom the upgrade proved."""

    __slots__ = (
        "_caller",
        "_close_code",
        "_giving_up",
        "_held",
        "_house",
        "_in_flight",
        "_is_over",
        "_page",
        "_patience",
        "_proven",
        "_room",
        "_transport",
        "_writer",
        "codec",
        "id",
    )

    def __init__(
        self, transport: Transport, codec: Codec, house: House, proven: Caller | None
    ) -> None:
        self.id: Final = secrets.randbits(63) | 1
        self.codec: Final = codec
        self._transport = transport
        self._house = house
        self._proven = proven
        self._writer = Writer(transport, house.settings.send_queue_bytes_max)
        self._caller: Caller | None = None
        self._held: deque[bytes | None] | None = None  # while one waits, those behind it
        self._in_flight = 0
        self._room: asyncio.Future[None] | None = None
        self._page: asyncio.Future[Synced] | asyncio.Future[None] | None = None
        self._patience: Patience | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._close_code: CloseCode | None = None
        self._is_over = False

    @property
    def caller(self) -> Caller:
        """Who is connected; known from the hub on."""
        if self._caller is None:
            raise WrongState("say hello first")
        return self._caller

    def begin(self) -> None:
        """The transport is open: the client has so long to say hello."""
        self._giving_up = asyncio.get_running_loop().call_later(
            self._house.settings.hello_timeout_s, self.disconnect, CloseCode.HELLO_TIMEOUT
        )
        self._house.doors.come(self)

    def take(self, data: bytes | None) -> None:
        """The client's next message; `None`, it has said goodbye."""
        if self._held is not None:
            self._held.append(data)
            if len(self._held) == HELD_FRAMES_MAX:
                self._transport.pause()
        elif (frame := self._read(data)) is not None:
            self._take(frame)

    def take_nonsense(self, detail: str) -> None:
        """The client's next message was of a kind that this codec does not have."""
        self._refuse(0, Malformed(detail))

    def lost(self) -> None:
        """The transport is closed. What has come and was not taken is lost as if on its way."""
        if not self._is_over:
            self._leave()

    def push(self, frame: bytes) -> None:
        """Queue a frame in this connection's codec. A client that does not keep up is let go."""
        if not self._is_over and not self._writer.enqueue(frame):
            self.disconnect(CloseCode.SLOW_CONSUMER)

    def disconnect(self, code: CloseCode) -> None:
        """End the connection soon, telling the client why if it still listens."""
        if self._close_code is not None or self._is_over:
            return
        self._close_code = code
        metrics.CONNECTIONS_CLOSED.labels(code.name).inc()
        # Soon: whoever is pushing to everybody is in the middle of a list of them.
        asyncio.get_running_loop().call_soon(self._end, code)

    def _end(self, code: int) -> None:
        if not self._is_over:
            self._leave()
            self._transport.close(code)

    def _leave(self) -> None:
        self._is_over = True
        self._stop_waiting()
        self._held = None
        if isinstance(self._page, asyncio.Future):
            self._page.cancel()
        self._house.doors.go(self)
        if self._caller is not None:
            self._house.doors.leave(self)

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    # --- hello -----------------------------------------------------------------------------------

    def _greet(self, hello: Hello) -> None:
        self._stop_waiting()
        self._held = deque()
        try:
            self._house.doors.wait_for_turn(partial(self._enter, hello))
        except Overloaded as refusal:
            self._turn_away(hello, refusal, CloseCode.OVERLOADED)

    def _enter(self, hello: Hello, is_in_time: bool) -> None:
        if self._is_over:
            return
        doors = self._house.doors
        if not is_in_time:
            self._turn_away(hello, doors.refusal(), CloseCode.OVERLOADED)
            return
        try:
            self._caller = self._prove(hello.token)
        except Unauthenticated as refusal:
            self._turn_away(hello, refusal, CloseCode.TOKEN_REJECTED)
        else:
            doors.enter(self, partial(self._welcome, hello.ref, self._caller))

    def _prove(self, token: str | None) -> Caller:
        """Who it is. What the upgrade proved may have ended since. Raises `Unauthenticated`."""
        if token is not None:
            return self._house.doors.authenticate(token)
        if self._proven is None:
            raise Unauthenticated
        self._house.doors.require_session(self._proven)
        return self._proven

    def _turn_away(self, hello: Hello, refusal: HodhodError, code: CloseCode) -> None:
        self._refuse(hello.ref, refusal)
        self.disconnect(code)

    def _welcome(self, ref: int, caller: Caller) -> None:
        if self._is_over:
            return
        house = self._house
        self._reply(
            Welcome(
                ref=ref,
                user=caller.user,
                device=caller.device,
                at=to_ms(house.clock.now()),
                heartbeat_s=max(1, round(house.settings.heartbeat_s)),
                reconnect_within_ms=house.doors.reconnect_within_ms,
            )
        )
        if self._held:
            house.errands.start(self._work_off(None))
        else:
            self._held = None

    # --- requests --------------------------------------------------------------------------------

    def _read(self, data: bytes | None) -> ClientFrame | None:
        """The frame in a message, `None` where there is none: then it was refused."""
        if self._is_over or self._close_code is not None:
            return None
        if data is None:
            self._end(NORMAL_CLOSURE)
            return None
        try:
            if len(data) <= FRAME_BYTES_MAX:
                return self.codec.decode_client(data)
            self._refuse(0, TooLarge(f"a frame has at most {FRAME_BYTES_MAX} bytes"))
        except InvalidFrame as error:
            metrics.FRAMES_IN.labels("invalid").inc()
            self._refuse(error.ref, Malformed(str(error)))
        return None

    def _take(self, frame: ClientFrame) -> None:
        """Begin with a frame before which none waits."""
        if self._caller is None:
            if isinstance(frame, Hello):
                self._greet(frame)
            else:
                self._refuse(frame.ref, WrongState("say hello first"))
        elif self._admits(frame):
            if isinstance(frame, Send) or self._is_full:
                self._held = deque()
                self._house.errands.start(self._work_off(frame))
            else:
                self._begin(frame, self._caller)

    def _admits(self, frame: ClientFrame) -> bool:
        try:
            self._house.commands.admit(frame)
        except Overloaded as refusal:
            self._refuse(frame.ref, refusal)
            return False
        return True

    async def _work_off(self, frame: ClientFrame | None) -> None:
        """Take a frame that may have to wait, and then what came behind it, in order."""
        try:
            while not self._is_over:
                if frame is not None:
                    await self._take_in_turn(frame, self.caller)
                if not self._held:
                    break
                frame = self._read(self._held.popleft())
                if frame is not None and not self._admits(frame):
                    frame = None
        finally:
            self._held = None
            self._transport.resume()

    async def _take_in_turn(self, frame: ClientFrame, caller: Caller) -> None:
        if self._is_full:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if isinstance(frame, Send):
            await self._send(frame, caller)
        else:
            self._begin(frame, caller)

    @property
    def _is_full(self) -> bool:
        return self._in_flight >= self._house.settings.requests_in_flight_max

    def _begin(self, frame: ClientFrame, caller: Caller) -> None:
        """Have a request answered beside the reading."""
        self._in_flight += 1
        if not isinstance(frame, Sync | History):
            self._house.errands.start(self._answer(frame, caller))
        elif isinstance(frame, Sync) and self._page is None and not self._transport.unsent_bytes():
            self._sync(frame, caller)
        else:
            self._house.errands.start(self._answer_page(frame, caller))

    def _release(self) -> None:
        self._in_flight -= 1
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None

    async def _send(self, frame: Send, caller: Caller) -> None:
        self._in_flight += 1
        if not self._house.commands.has_room():
            self._transport.pause()  # what cannot be served yet stays with the client
        try:
            done = await self._house.commands.send(caller, frame, self.id)
        except HodhodError as refusal:
            self._release()
            self._refuse(frame.ref, refusal)
        except Exception:
            log.exception("frame.failed")
            self._release()
            self._refuse(frame.ref, Internal())
        else:
            done.add_done_callback(partial(self._sent, frame.ref))

    def _sent(self, ref: int, done: asyncio.Future[Appended]) -> None:
        self._release()
        try:
            appended = done.result()
        except HodhodError as refusal:
            self._refuse(ref, refusal)
        else:
            self._reply(Sent(ref=ref, chat=appended.chat, seq=appended.seq, at=appended.at_ms))

    # Pages are large: one at a time, and none is read before the last is on its way.

    def _sync(self, frame: Sync, caller: Caller) -> None:
        try:
            page = self._house.commands.sync(caller, frame)
        except HodhodError as refusal:
            self._release()
            self._refuse(frame.ref, refusal)
        else:
            self._page = page
            page.add_done_callback(partial(self._synced, frame.ref))

    def _synced(self, ref: int, page: asyncio.Future[Synced]) -> None:
        self._page = None
        self._release()
        if self._is_over or page.cancelled():
            return
        try:
            answer = page.result()
        except HodhodError as refusal:
            self._refuse(ref, refusal)
        else:
            if ref:
                self._writer.enqueue_page(self.codec.encode_server(answer))

    async def _answer_page(self, frame: ClientFrame, caller: Caller) -> None:
        while self._page is not None:
            await asyncio.wait([self._page])
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._page = done
        try:
            if await self._writer.room():
                await self._answer(frame, caller, self._writer.enqueue_page)
            else:
                self._release()
        finally:
            self._page = None
            if not done.done():
                done.set_result(None)

    async def _answer(
        self,
        frame: ClientFrame,
        caller: Caller,
        enqueue: Callable[[bytes], None] | None = None,
    ) -> None:
        try:
            reply = await self._house.commands.answer(caller, frame)
            if reply.ref and not self._is_over:
                (enqueue or self.push)(self.codec.encode_server(reply))
        except HodhodError as refusal:
            self._refuse(frame.ref, refusal)
        except Exception:
            log.exception("frame.failed")  # the outermost layer of the edge: nobody expected this
            self._refuse(frame.ref, Internal())
        finally:
            self._release()

    def _reply(self, reply: Reply) -> None:
        if reply.ref:
            self.push(self.codec.encode_server(reply))

    def _refuse(self, ref: int, refusal: HodhodError) -> None:
        """Tell the client, and let go of one that does nothing but err."""
        self.push(self.codec.encode_server(refusals.answer(ref, refusal)))
        if self._patience is None:
            self._patience = Patience(self._house.settings.errors_max)
        if self._patience.is_lost_with(refusal):
            self.disconnect(CloseCode.TOO_MANY_ERRORS)
