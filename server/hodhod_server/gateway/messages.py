"""WebSocket messages of a server: one unmasked frame each (RFC 6455 section 5.2)."""

from __future__ import annotations

from typing import Final

_FINAL: Final = 0x80
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
PING: Final = bytes([_FINAL | _PING, 0])


class Messages:
    """Payloads of one kind as they go over the line.

    A push to a thousand people is one payload handed over a thousand times, so the newest message
    is remembered.
    """

    __slots__ = ("_first_byte", "_message", "_payload", "binary")

    def __init__(self, *, binary: bool) -> None:
        self.binary: Final = binary
        self._first_byte = bytes([_FINAL | (_BINARY if binary else _TEXT)])
        self._payload = b""
        self._message = self._first_byte + b"\0"

    def of(self, payload: bytes) -> bytes:
        """The whole message of a payload."""
        if payload is not self._payload:
            self._message = self._first_byte + _length(len(payload)) + payload
            self._payload = payload
        return self._message


def close(code: int) -> bytes:
    """The goodbye."""
    return bytes([_FINAL | _CLOSE, 2]) + code.to_bytes(2)


def pong(payload: bytes) -> bytes:
    """The answer to a ping, which has at most 125 bytes."""
    return bytes([_FINAL | _PONG, len(payload)]) + payload


def _length(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    if size < 0x10000:
        return b"\x7e" + size.to_bytes(2)
    return b"\x7f" + size.to_bytes(8)
