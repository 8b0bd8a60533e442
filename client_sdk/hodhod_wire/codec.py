"""Frames to bytes and back, in MessagePack and in JSON: the same maps, the same names.

Decoding validates: a frame that decodes has every member, of the right type, within its limits.
Events inside `event`, `page` and `synced` are left encoded (`msgspec.Raw`), so that one unknown
event costs a reader that event and not the frame around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol, cast

import msgspec

from hodhod_wire.events import Content, Event, EventHeader
from hodhod_wire.frames import ClientFrame, EventPush, Frame, Page, ServerFrame, Synced
from hodhod_wire.limits import Ref
from hodhod_wire.version import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK


class InvalidFrame(ValueError):
    """The bytes are not a frame. The text says where and why, and holds none of the content.

    `ref` is the request's, where that much could be read; else 0.
    """

    def __init__(self, reason: str, ref: int = 0) -> None:
        super().__init__(reason)
        self.ref = ref


class _RefOnly(msgspec.Struct):
    ref: Ref = 0


class _Decoder(Protocol):
    def decode(self, data: bytes | msgspec.Raw, /) -> Any: ...


class _Format(Protocol):
    @property
    def Encoder(self) -> Any: ...
    @property
    def Decoder(self) -> Any: ...


class Codec:
    """One of the two encodings of the same frames."""

    def __init__(self, subprotocol: str, format: _Format, *, binary: bool) -> None:
        self.subprotocol: Final = subprotocol
        self.binary: Final = binary
        self._encode = format.Encoder().encode
        self._client = format.Decoder(ClientFrame)
        self._server = format.Decoder(ServerFrame)
        self._event = format.Decoder(Event)
        self._header = format.Decoder(EventHeader)
        self._body = format.Decoder(Content)
        self._ref = format.Decoder(_RefOnly)

    def encode(self, value: msgspec.Struct) -> bytes:
        """Any frame, event or body as bytes."""
        return cast(bytes, self._encode(value))

    def encode_server(self, frame: Frame) -> bytes:
        """A server's frame whose events are MessagePack, as the log has them, in this encoding."""
        return self.encode(frame if self.binary else _with_json_events(frame))

    def decode_client(self, data: bytes) -> ClientFrame:
        """A client's frame. Raises `InvalidFrame`."""
        try:
            return cast(ClientFrame, _decode(self._client, data))
        except InvalidFrame as error:
            error.ref = self._ref_of(data)
            raise

    def _ref_of(self, data: bytes) -> int:
        try:
            return cast(_RefOnly, _decode(self._ref, data)).ref
        except InvalidFrame:
            return 0

    def decode_server(self, data: bytes) -> ServerFrame:
        """A server's frame. Raises `InvalidFrame`, also for a tag of a later version."""
        return cast(ServerFrame, _decode(self._server, data))

    def decode_event(self, data: bytes | msgspec.Raw) -> Event | EventHeader:
        """An event, or its bare position if it is of a later version. Raises `InvalidFrame`."""
        try:
            return cast(Event, _decode(self._event, data))
        except InvalidFrame:
            return cast(EventHeader, _decode(self._header, data))

    def decode_body(self, data: bytes | msgspec.Raw) -> Content:
        """A message's body, or a notice of the server. Raises `InvalidFrame`."""
        return cast(Content, _decode(self._body, data))


def _decode(decoder: _Decoder, data: bytes | msgspec.Raw) -> Any:
    """Decode, or raise `InvalidFrame` from nothing: a logged cause would show the content."""
    try:
        return decoder.decode(data)
    except RecursionError:
        raise InvalidFrame("Nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidFrame("Not valid UTF-8") from None
    except msgspec.ValidationError as error:
        raise InvalidFrame(_without_content(str(error))) from None
    except msgspec.DecodeError:
        raise InvalidFrame("Not a well-formed encoding") from None


def _without_content(reason: str) -> str:
    """msgspec quotes unknown tags and values; what a client sent does not belong in an error."""
    return reason if "Invalid value" not in reason else "Unknown tag or value"


MSGPACK: Final = Codec(SUBPROTOCOL_MSGPACK, msgspec.msgpack, binary=True)
JSON: Final = Codec(SUBPROTOCOL_JSON, msgspec.json, binary=False)
CODECS: Final = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}


def _with_json_events(frame: Frame) -> Frame:
    match frame:
        case EventPush():
            return msgspec.structs.replace(frame, event=_as_json(frame.event))
        case Page():
            return msgspec.structs.replace(frame, events=events_as_json(frame.events))
        case Synced():
            chats = [
                msgspec.structs.replace(delta, events=events_as_json(delta.events))
                for delta in frame.chats
            ]
            return msgspec.structs.replace(frame, chats=chats)
        case _:
            return frame


def events_as_json(events: Iterable[msgspec.Raw]) -> list[msgspec.Raw]:
    """Events as the log has them (MessagePack), as JSON."""
    return [_as_json(event) for event in events]


def _as_json(event: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(JSON.encode(MSGPACK.decode_event(event)))
