"""Who is connected to this process, and the pushes that reach them.

The hub hears the bus (`cluster.broker.Subscriber`). A frame is encoded once per codec and the same
bytes go to every connection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from hodhod_server.cluster.broker import Envelope
from hodhod_server.domain.ids import ChatId, DeviceId, UserId
from hodhod_server.domain.tokens import Caller
from hodhod_server.telemetry import logs, metrics
from hodhod_wire.close_codes import CloseCode
from hodhod_wire.codec import JSON, MSGPACK, Codec, InvalidFrame
from hodhod_wire.frames import Resync

log = logs.get("hub")
RESYNC_MS_PER_CONNECTION: Final = 1  # a thousand syncs a second is what it does beside work
RESYNC_MS_MAX: Final = 10_000


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
    """The connections of one process, by person."""

    def __init__(self, note_ended: Callable[[DeviceId], None]) -> None:
        self._note_ended = note_ended
        self._by_user: defaultdict[UserId, dict[int, Receiver]] = defaultdict(dict)
        self._note_version: Callable[[ChatId, int], None] = lambda chat, version: None
        self._note_gap: Callable[[], None] = lambda: None

    def when_chats_change(
        self, note_version: Callable[[ChatId, int], None], note_gap: Callable[[], None]
    ) -> None:
        """Have the first called with a chat's new version, the second when one may be missed."""
        self._note_version, self._note_gap = note_version, note_gap

    def add(self, receiver: Receiver) -> None:
        """From here on the connection gets its person's pushes."""
        self._by_user[receiver.caller.user][receiver.id] = receiver
        metrics.CONNECTIONS.inc()

    def remove(self, receiver: Receiver) -> None:
        """The connection is over."""
        user = receiver.caller.user
        del self._by_user[user][receiver.id]
        if not self._by_user[user]:
            del self._by_user[user]
        metrics.CONNECTIONS.dec()

    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        """Push each frame to the connections of its people that are here."""
        for envelope in envelopes:
            as_json: bytes | None = None
            for receiver in self._receivers(envelope):
                if receiver.codec is MSGPACK:
                    receiver.push(envelope.frame)
                    continue
                if as_json is None:
                    as_json = _as_json(envelope.frame)
                receiver.push(as_json)

    def on_gap(self) -> None:
        """Anything may have been lost: everybody here must sync, spread over some seconds."""
        self._note_gap()
        receivers = self._everybody()
        log.info("resync.everybody", connections=len(receivers))
        self._resync(receivers)

    def on_gap_for(self, users: Sequence[UserId]) -> None:
        """Something for these people may have been lost."""
        self._resync(
            [receiver for user in users for receiver in self._by_user.get(user, {}).values()]
        )

    def on_device_ended(self, device: DeviceId) -> None:
        """Another process ended a session."""
        self._note_ended(device)
        self.disconnect_device(device)

    def on_chat_changed(self, chat: ChatId, version: int, users: Sequence[UserId]) -> None:
        """Rights in a chat may have changed."""
        self._note_version(chat, version)

    def disconnect_device(self, device: DeviceId) -> None:
        """The device's session is over: its connections here end too."""
        for receiver in self._everybody():
            if receiver.caller.device == device:
                receiver.disconnect(CloseCode.SESSION_ENDED)

    def _receivers(self, envelope: Envelope) -> Iterable[Receiver]:
        for user in envelope.users:
            connections = self._by_user.get(user)
            if connections:
                yield from (
                    receiver for receiver in connections.values() if receiver.id != envelope.origin
                )

    def _everybody(self) -> list[Receiver]:
        return [
            receiver for connections in self._by_user.values() for receiver in connections.values()
        ]

    def _resync(self, receivers: Sequence[Receiver]) -> None:
        within_ms = min(RESYNC_MS_MAX, len(receivers) * RESYNC_MS_PER_CONNECTION)
        frame = Resync(within_ms=within_ms)
        encoded = {codec: codec.encode_server(frame) for codec in (MSGPACK, JSON)}
        for receiver in receivers:
            receiver.push(encoded[receiver.codec])


def _as_json(frame: bytes) -> bytes:
    """A push in JSON; one of a later version, from a gateway that has it, becomes a resync."""
    try:
        return JSON.encode_server(MSGPACK.decode_server(frame))
    except InvalidFrame:
        return JSON.encode_server(Resync())
