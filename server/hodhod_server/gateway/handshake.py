"""The opening handshake of a WebSocket (RFC 6455 section 4.2), from the request's headers."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

from multidict import MultiMapping

from hodhod_server.domain.errors import Malformed
from hodhod_wire.codec import CODECS, MSGPACK, Codec

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_ANSWERS: Final[Mapping[Codec, bytes]] = {
    codec: (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        f"Sec-WebSocket-Protocol: {codec.subprotocol}\r\nSec-WebSocket-Accept: "
    ).encode()
    for codec in CODECS.values()
}
_ANSWER_WITHOUT: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)


def negotiate(headers: MultiMapping[str]) -> Codec:
    """The first of the offered subprotocols that is ours; MessagePack where none is offered.

    Raises `Malformed` where only others are.
    """
    offered = _offered(headers)
    if not offered:
        return MSGPACK
    for name in offered:
        if name in CODECS:
            return CODECS[name]
    raise Malformed(f"offer one of the subprotocols {', '.join(CODECS)}")


def answer(headers: MultiMapping[str], codec: Codec) -> bytes:
    """The response that opens the socket. Raises `Malformed` for a request that asks for none."""
    key = headers.get("Sec-WebSocket-Key", "")
    is_upgrade = headers.get("Upgrade", "").strip().lower() == "websocket"
    if not is_upgrade or headers.get("Sec-WebSocket-Version") != "13" or not _is_key(key):
        raise Malformed("this address takes WebSocket upgrades only")
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (_ANSWERS[codec] if _offered(headers) else _ANSWER_WITHOUT) + accept + b"\r\n\r\n"


def _offered(headers: MultiMapping[str]) -> list[str]:
    header = ",".join(headers.getall("Sec-WebSocket-Protocol", ()))
    return [name for part in header.split(",") if (name := part.strip())]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
