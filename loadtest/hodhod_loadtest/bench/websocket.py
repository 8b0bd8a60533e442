"""A WebSocket client's half of RFC 6455, without I/O: bytes in, messages out.

Small, because it must cost less than what it measures. It refuses what the server never sends:
fragments, masked frames, extensions.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Final

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
ACCEPT_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class WebSocketError(ConnectionError):
    """The server did not keep to the protocol, or refused the upgrade; the text says how."""


def upgrade_request(address: tuple[str, int], path: str, key: bytes, headers: list[str]) -> bytes:
    """The request with which a connection becomes a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {address[0]}:{address[1]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(key).decode()}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def require_upgraded(head: bytes, key: bytes) -> None:
    """Raises `WebSocketError` unless this is the answer to the request with that key."""
    status, _, rest = head.decode("latin-1").partition("\r\n")
    if status.split(" ")[1:2] != ["101"]:
        raise WebSocketError(f"the upgrade was answered with {status}")
    pairs = (line.partition(":") for line in rest.split("\r\n"))
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    salted = base64.b64encode(key) + ACCEPT_SALT
    accepted = base64.b64encode(hashlib.sha1(salted, usedforsecurity=False).digest())
    if headers.get("sec-websocket-accept") != accepted.decode():
        raise WebSocketError("the upgrade was answered for another key")


def client_frame(opcode: int, payload: bytes, mask: int) -> bytes:
    """A whole message, masked with the 32 bits of `mask`, as a client must."""
    length = len(payload)
    if length < _LENGTH_16:
        head = struct.pack("!BBI", _FINAL | opcode, _MASKED | length, mask)
    elif length < 1 << 16:
        head = struct.pack("!BBHI", _FINAL | opcode, _MASKED | _LENGTH_16, length, mask)
    else:
        head = struct.pack("!BBQI", _FINAL | opcode, _MASKED | _LENGTH_64, length, mask)
    # One operation on large integers instead of one on each byte.
    cover = (mask.to_bytes(4) * (length // 4 + 1))[:length]
    covered = int.from_bytes(payload) ^ int.from_bytes(cover)
    return head + covered.to_bytes(length)


class FrameReader:
    """Bytes as they come to whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Opcode and payload of every frame that is whole now. Raises `WebSocketError`."""
        self._buffer += data
        frames: list[tuple[int, bytes]] = []
        at = 0
        while (span := self._find_payload(at)) is not None:
            start, end = span
            frames.append((self._buffer[at] & 0x0F, bytes(self._buffer[start:end])))
            at = end
        del self._buffer[:at]
        return frames

    def _find_payload(self, at: int) -> tuple[int, int] | None:
        """Where the payload of the frame that begins at `at` lies, if all of it is here."""
        buffer = self._buffer
        if len(buffer) < at + 2:
            return None
        if buffer[at] & 0xF0 != _FINAL or buffer[at + 1] & _MASKED or not buffer[at] & 0x0F:
            raise WebSocketError("the server sent a fragment, a masked frame or an extension")
        start, length = at + 2, buffer[at + 1]
        if length >= _LENGTH_16:
            start += 2 if length == _LENGTH_16 else 8
            length = int.from_bytes(buffer[at + 2 : start])
            if len(buffer) < start:
                return None
        return (start, start + length) if len(buffer) >= start + length else None
