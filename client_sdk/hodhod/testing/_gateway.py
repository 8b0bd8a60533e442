"""The fake's WebSocket: the frames of the contract over memory, with faults."""

from __future__ import annotations

import asyncio
import contextlib
import random
from functools import partial
from typing import Final

from aiohttp import WSMsgType, web

from hodhod._background import Background
from hodhod.testing._doors import Doors, digits
from hodhod.testing._faults import Faults
from hodhod.testing._groups import Denied
from hodhod.testing._logs import Logs, encoded
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import MSGPACK
from hodhod_wire.errors import ERROR_TEXTS, ErrorCode
from hodhod_wire.events import File
from hodhod_wire.frames import (
    ChatState,
    ClientFrame,
    Delivered,
    Error,
    EventPush,
    Frame,
    GetChat,
    History,
    Link,
    MediaLink,
    Ok,
    OpenChat,
    Position,
    PositionPush,
    Read,
    Reply,
    Send,
    Sent,
    Sync,
    Titles,
    Typing,
    TypingPush,
    Welcome,
)

AT_MS: Final = 1_700_000_000_000
NOT_FOUND: Final = (ErrorCode.CHAT_NOT_FOUND, None)
Refusal = tuple[ErrorCode, float | None]


class Wire:
    """One client's socket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, user: int) -> None:
        self.user: Final = user
        self._socket = socket
        self._request = request

    async def send(self, frame: Frame) -> None:
        """What cannot arrive any more is lost."""
        with contextlib.suppress(ConnectionError):
            await self._socket.send_bytes(MSGPACK.encode(frame))

    async def close(self, code: CloseCode) -> None:
        """End it with a reason."""
        await self._socket.close(code=code)

    def cut(self) -> None:
        """Break off without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Gateway:
    """Everybody who is connected."""

    def __init__(
        self, logs: Logs, doors: Doors, background: Background, dice: random.Random
    ) -> None:
        self.faults = Faults()
        self.wires: set[Wire] = set()
        self.refusals: list[Refusal] = []
        """What the next sends are answered with, instead of being carried out."""
        self.requests: list[ClientFrame] = []
        """Every frame that came in, oldest first."""
        self.reconnect_within_ms = 0
        """Over how long clients that lose their connection spread their return."""
        self._logs = logs
        self._doors = doors
        self._background = background
        self._dice = dice

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """`GET /v1/ws`."""
        user = self._doors.user_of(request.headers.get("Authorization", ""))
        socket = web.WebSocketResponse(protocols=(MSGPACK.subprotocol,))
        await socket.prepare(request)
        hello = MSGPACK.decode_client(await socket.receive_bytes())
        if user is None:
            await socket.close(code=CloseCode.TOKEN_REJECTED)
            return socket
        wire = Wire(socket, request, user)
        self.wires.add(wire)
        try:
            await wire.send(self._welcome(hello.ref, user))
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await self._take(wire, MSGPACK.decode_client(message.data))
        finally:
            self.wires.discard(wire)
        return socket

    def _welcome(self, ref: int, user: int) -> Welcome:
        within_ms = self.reconnect_within_ms
        return Welcome(ref=ref, user=user, device=1, at=AT_MS, reconnect_within_ms=within_ms)

    async def push(self, frame: Frame, users: set[int], but: Wire | None = None) -> None:
        """To all of them who are connected, as well as the faults allow."""
        faults = self.faults
        for wire in [wire for wire in self.wires if wire.user in users and wire is not but]:
            if self._dice.random() < faults.push_loss:
                continue
            for _ in range(2 if self._dice.random() < faults.push_repeat else 1):
                if faults.push_delay_s:
                    delay_s = self._dice.random() * faults.push_delay_s
                    self._background.start(partial(_later, delay_s, wire, frame), _ignore)
                else:
                    await wire.send(frame)

    def loses_answer(self) -> bool:
        """Whether the fault hits an answer over HTTP."""
        return self._dice.random() < self.faults.answer_loss

    async def _take(self, wire: Wire, frame: ClientFrame) -> None:
        self.requests.append(frame)
        if isinstance(frame, Send):
            await self._append(wire, frame)
            return
        try:
            reply = await self._answer(wire, frame)
        except KeyError:
            reply = _error(frame.ref, NOT_FOUND)
        if frame.ref:
            await wire.send(reply)

    async def _append(self, wire: Wire, frame: Send) -> None:
        if self.refusals:
            await wire.send(_error(frame.ref, self.refusals.pop(0)))
            return
        chat = self._logs.chats.get(frame.chat)
        if chat is None:
            await wire.send(_error(frame.ref, NOT_FOUND))
            return
        try:
            if chat.group is not None:
                chat.group.require_may_post(wire.user)
        except Denied as denied:
            await wire.send(_error(frame.ref, (denied.code, None)))
            return
        before = len(chat.log)
        message = self._logs.append(chat.id, wire.user, frame.client_id, frame.body, AT_MS)
        if len(chat.log) > before:
            await self.push(EventPush(event=encoded(message)), set(chat.members), but=wire)
        if self._dice.random() < self.faults.reply_loss:
            wire.cut()
            return
        await wire.send(Sent(ref=frame.ref, chat=chat.id, seq=message.seq, at=message.at))

    async def _answer(self, wire: Wire, frame: ClientFrame) -> Reply:
        logs = self._logs
        match frame:
            case Sync():
                return logs.sync(frame, wire.user)
            case History():
                return logs.history(frame, wire.user)
            case OpenChat(user=user, phone=phone):
                other = user or logs.phones[digits(phone or "")]
                chat = logs.open_private(wire.user, other)
                return ChatState(ref=frame.ref, chat=logs.describe(chat))
            case GetChat(chat=number):
                return ChatState(ref=frame.ref, chat=logs.describe(logs.chats[number], wire.user))
            case MediaLink(chat=number, seq=seq):
                body = logs.chats[number].log[seq - 1].body
                assert isinstance(body, File)
                return Link(ref=frame.ref, url=f"/v1/media/{body.media}", expires_at=AT_MS)
            case _:
                await self._hint(wire, frame)
                return Ok(ref=frame.ref)

    async def _hint(self, wire: Wire, frame: ClientFrame) -> None:
        if isinstance(frame, Delivered | Read):
            position = Position(chat=frame.chat, seq=frame.seq)
            chat = self._logs.reach(position, wire.user, read=isinstance(frame, Read))
            delivered, read = chat.members[wire.user]
            push = PositionPush(chat=chat.id, user=wire.user, delivered=delivered, read=read)
            is_told = chat.kind != "channel"
            await self.push(push, set(chat.members) if is_told else {wire.user})
        elif isinstance(frame, Typing):
            others = set(self._logs.chats[frame.chat].members) - {wire.user}
            await self.push(TypingPush(chat=frame.chat, user=wire.user), others)


async def _later(delay_s: float, wire: Wire, frame: Frame) -> None:
    await asyncio.sleep(delay_s)
    await wire.send(frame)


def _ignore(error: Exception) -> None:
    """A late push that fails is a lost push."""


def _error(ref: int, refusal: Refusal) -> Error:
    code, retry_after_s = refusal
    text = ERROR_TEXTS[code]
    titles = Titles(en=text.en, fa=text.fa)
    return Error(ref=ref, code=code, titles=titles, retry_after=retry_after_s)
