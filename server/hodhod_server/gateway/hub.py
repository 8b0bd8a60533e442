"""Who is connected to this process, and the pushes that reach them.

The hub hears the bus (`cluster.broker.Subscriber`). A frame is encoded once per codec and the same
bytes go to every connection. What is broadcast in a large chat goes out in slices, between which
the loop does other work: ten thousand writes in a row would hold up everybody's messages.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.ids import ChatId, DeviceId, UserId
from hodhod_server.domain.tokens import Caller
from hodhod_server.telemetry import logs, metrics
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import JSON, MSGPACK, Codec, InvalidFrame
from hodhod_wire.frames import Resync

log = logs.get("hub")
RESYNC_MS_PER_CONNECTION: Final = 2  # five hundred syncs a second is what it does beside work
RESYNC_MS_MAX: Final = 10_000
SLICE: Final = 256  # pushes in a row: about three milliseconds
BROADCASTS_MAX: Final = 10_000  # waiting; beyond, its chat is told to sync
NoteChange = Callable[[ChatId, int, Sequence[UserId]], None]


class Receiver(Protocol):
    """A connection, as the hub sees it."""

    @property
    def id(self) -> int: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def codec(self) -> Codec: ...

    def push(self, frame: bytes) -> None:
        """Queue a frame in this connection's codec; never waits."""

    def disconnect(self, code: CloseCode) -> None:
        """End the connection soon."""


class Hub:
    """The connections of one process, by person, and by broadcast chat."""

    def __init__(self, note_ended: Callable[[DeviceId], None]) -> None:
        self._note_ended = note_ended
        self._by_user: defaultdict[UserId, dict[int, Receiver]] = defaultdict(dict)
        self._by_chat: defaultdict[ChatId, dict[int, Receiver]] = defaultdict(dict)
        self._chats_of: dict[UserId, frozenset[ChatId]] = {}
        self._note_change: NoteChange = lambda chat, version, users: None
        self._note_gap: Callable[[], None] = lambda: None
        self._broadcasts: deque[Envelope] = deque()
        self._broadcasting = asyncio.Event()

    def when_chats_change(self, note_change: NoteChange, note_gap: Callable[[], None]) -> None:
        """Have the first called with each change of a chat, the second when one may be missed."""
        self._note_change, self._note_gap = note_change, note_gap

    def add(self, receiver: Receiver) -> None:
        """From here on the connection gets its person's pushes."""
        user = receiver.caller.user
        self._by_user[user][receiver.id] = receiver
        for chat in self._chats_of.get(user, ()):
            self._by_chat[chat][receiver.id] = receiver
        metrics.CONNECTIONS.inc()

    def remove(self, receiver: Receiver) -> None:
        """The connection is over."""
        user = receiver.caller.user
        del self._by_user[user][receiver.id]
        self._stop_hearing(receiver, self._chats_of.get(user, ()))
        if not self._by_user[user]:
            del self._by_user[user]
            self._chats_of.pop(user, None)
        metrics.CONNECTIONS.dec()

    def people(self) -> Collection[UserId]:
        """Everybody who is here."""
        return self._by_user.keys()

    def hears(self, user: UserId, chats: Collection[ChatId]) -> bool:
        """From here on they get what is broadcast in these. True: in more than before."""
        if user not in self._by_user:
            return False
        before, now = self._chats_of.get(user, frozenset()), frozenset(chats)
        if now:
            self._chats_of[user] = now
        else:
            self._chats_of.pop(user, None)
        for receiver in self._by_user[user].values():
            self._stop_hearing(receiver, before - now)
            for chat in now - before:
                self._by_chat[chat][receiver.id] = receiver
        return bool(now - before)

    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        """Push each frame to the connections of its people that are here."""
        pushed = 0
        for envelope in envelopes:
            if envelope.chat in self._by_chat:
                self._queue_broadcast(envelope)
            if envelope.users:
                pushed += _push(envelope, self._receivers(envelope.users))
        if pushed:
            metrics.FRAMES_PUSHED.inc(pushed)

    async def run(self) -> None:
        """Push what is broadcast, slice by slice, until cancelled."""
        while True:
            await self._broadcasting.wait()
            while self._broadcasts:
                envelope = self._broadcasts.popleft()
                receivers = iter(list(self._by_chat.get(ChatId(envelope.chat), {}).values()))
                while receivers_now := list(islice(receivers, SLICE)):
                    metrics.FRAMES_PUSHED.inc(_push(envelope, receivers_now))
                    await asyncio.sleep(0)
            self._broadcasting.clear()

    def on_gap(self) -> None:
        """Anything may have been lost: everybody here must sync, spread over some seconds."""
        self._note_gap()
        receivers = self._everybody()
        log.info("resync.everybody", connections=len(receivers))
        self._resync(receivers)

    def on_gap_for(self, users: Collection[UserId], chats: Collection[ChatId]) -> None:
        """Something for these people may have been lost, or for who is in these chats."""
        receivers = {receiver.id: receiver for receiver in self._receivers(users)}
        for chat in chats:
            receivers.update(self._by_chat.get(chat, {}))
        self._resync(list(receivers.values()))

    def on_device_ended(self, device: DeviceId) -> None:
        """Another process ended a session."""
        self._note_ended(device)
        self.disconnect_device(device)

    def on_chat_changed(self, chat: ChatId, version: int, users: Sequence[UserId]) -> None:
        """Rights in a chat may have changed, and whose membership with them."""
        self._note_change(chat, version, users)

    def disconnect_device(self, device: DeviceId) -> None:
        """The device's session is over: its connections here end too."""
        for receiver in self._everybody():
            if receiver.caller.device == device:
                receiver.disconnect(CloseCode.SESSION_ENDED)

    def _queue_broadcast(self, envelope: Envelope) -> None:
        if len(self._broadcasts) >= BROADCASTS_MAX:
            metrics.FANOUT_DROPPED.labels("broadcasts_full").inc()
            self.on_gap_for((), [ChatId(envelope.chat)])
            return
        self._broadcasts.append(envelope)
        self._broadcasting.set()

    def _stop_hearing(self, receiver: Receiver, chats: Iterable[ChatId]) -> None:
        for chat in chats:
            listeners = self._by_chat[chat]
            listeners.pop(receiver.id, None)
            if not listeners:
                del self._by_chat[chat]

    def _receivers(self, users: Iterable[UserId]) -> Iterator[Receiver]:
        for user in users:
            connections = self._by_user.get(user)
            if connections:
                yield from connections.values()

    def _everybody(self) -> list[Receiver]:
        return list(self._receivers(list(self._by_user)))

    def _resync(self, receivers: Sequence[Receiver]) -> None:
        within_ms = min(RESYNC_MS_MAX, len(receivers) * RESYNC_MS_PER_CONNECTION)
        frame = Resync(within_ms=within_ms)
        encoded = {codec: codec.encode_server(frame) for codec in (MSGPACK, JSON)}
        for receiver in receivers:
            receiver.push(encoded[receiver.codec])


def _push(envelope: Envelope, receivers: Iterable[Receiver]) -> int:
    """Push a frame to connections but the one it came from; returns to how many."""
    frame, origin = envelope.frame, envelope.origin
    as_json: bytes | None = None
    pushed = 0
    for receiver in receivers:
        if receiver.id == origin:
            continue
        if receiver.codec is MSGPACK:
            receiver.push(frame)
        else:
            as_json = as_json or _as_json(frame)
            receiver.push(as_json)
        pushed += 1
    return pushed


def _as_json(frame: bytes) -> bytes:
    """A push in JSON; one of a later version, from a gateway that has it, becomes a resync."""
    try:
        return JSON.encode_server(MSGPACK.decode_server(frame))
    except InvalidFrame:
        return JSON.encode_server(Resync())
