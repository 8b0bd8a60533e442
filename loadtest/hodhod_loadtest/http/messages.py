"""HTTP/1.1 messages without I/O: bytes in, in any slices; whole requests or responses out.

Small, because it must cost less than what it measures: a head stays bytes and is searched for the
three headers that frame a body. Bodies come by length, in chunks, or until the connection ends.

Always true: however the bytes were sliced, the same messages come out; what is kept is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 16 * 1024**2
_HEAD_END: Final = b"\r\n\r\n"
_LINE_END: Final = b"\r\n"
_HEX_DIGITS: Final = b"0123456789abcdefABCDEF"
_CHUNKED: Final = -1
_UNTIL_END: Final = -2
_BODILESS: Final = frozenset((101, 204, 304))
_NOTHING: Final[Sequence[Message]] = ()


class HttpError(ValueError):
    """The other side does not keep to the protocol; the text says how."""


class Message(NamedTuple):
    """A whole request or response. `head` is the first line and the headers, as they came."""

    head: bytes
    body: bytes
    is_last: bool
    """Does the connection end after it?"""

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.head[9:12])

    def header(self, name: bytes) -> str | None:
        """The first header with this name, which is given in small letters."""
        value = _find_header(self.head, self.head.lower(), name)
        return None if value is None else value.decode("latin-1")


class MessageReader:
    """One direction of one connection."""

    __slots__ = (
        "_body_bytes",
        "_chunks",
        "_framing",
        "_head",
        "_held",
        "_is_last",
        "_is_of_server",
        "_missing",
    )

    def __init__(self, *, is_of_server: bool) -> None:
        self._is_of_server = is_of_server
        """Are these responses?"""

        self._held: list[bytes] | None = None
        self._missing = 1  # so many more bytes must come before it is worth another look
        self._head: bytes | None = None  # of the message whose body is being read
        self._framing = 0
        self._is_last = False
        self._chunks: list[bytes] | None = None
        self._body_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Is nothing of a message here?"""
        return self._head is None and self._held is None

    def feed(self, data: bytes) -> Sequence[Message]:
        """The messages that are whole now. Raises `HttpError`."""
        self._missing -= len(data)
        if self._held is not None:
            self._held.append(data)
            if self._missing > 0:
                return _NOTHING
            data = b"".join(self._held)
            self._held = None
        messages: list[Message] = []
        at, end = 0, len(data)
        self._missing = 1
        while at < end or self._head is not None:
            if self._head is None:
                head_end = data.find(_HEAD_END, at)
                if head_end < 0:
                    self._require_short_head(end - at)
                    break
                self._begin(data[at:head_end])
                at = head_end + 4
                continue
            body, at = self._take_body(data, at)
            if body is None:
                break
            messages.append(Message(self._head, body, self._is_last))
            self._head = None
        if at < end:
            self._held = [data[at:]]
        return messages

    def end(self) -> Message | None:
        """The connection has ended: the message that ends with it. Raises `HttpError`."""
        if self._head is not None and self._framing == _UNTIL_END:
            message = Message(self._head, self._joined_chunks(), is_last=True)
            self._head = None
            return message
        if not self.is_idle:
            raise HttpError("the connection ended within a message")
        return None

    def _begin(self, head: bytes) -> None:
        """Keep a head and find out how its body ends."""
        self._require_short_head(len(head))
        first = head[: head.find(_LINE_END)] if _LINE_END in head else head
        if b"HTTP/1." not in first:
            raise HttpError("neither a request nor a response of HTTP/1")
        status = _status(first) if self._is_of_server else 0
        if 100 <= status < 200 and status != 101:
            return  # what is said before the answer
        lower = head.lower()
        self._framing = self._find_framing(lower, status)
        if self._framing > BODY_BYTES_MAX:
            raise HttpError("too long a body")
        said = _find_header(lower, lower, b"connection")
        self._is_last = said != b"keep-alive" if b"HTTP/1.0" in first else said == b"close"
        self._head = head

    def _find_framing(self, lower: bytes, status: int) -> int:
        if status in _BODILESS:
            return 0
        coding = _find_header(lower, lower, b"transfer-encoding")
        if coding is not None:
            if coding != b"chunked":
                raise HttpError("a transfer coding other than chunked")
            return _CHUNKED
        length = _find_header(lower, lower, b"content-length")
        if length is None:
            return _UNTIL_END if self._is_of_server else 0
        if not length.isdigit() or lower.count(b"\r\ncontent-length:") > 1:
            raise HttpError("no single length of the body")
        return int(length)

    def _take_body(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """The body, if all of it is here, and where the rest begins."""
        if self._framing >= 0:
            end = at + self._framing
            if end > len(data):
                self._missing = end - len(data)
                return None, at
            return data[at:end], end
        if self._framing == _CHUNKED:
            return self._take_chunks(data, at)
        self._keep_chunk(data[at:])
        return None, len(data)

    def _take_chunks(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        while (line_end := data.find(_LINE_END, at)) >= 0:
            size = _chunk_size(data[at:line_end])
            begin = line_end + 2
            if size == 0:
                trailer_end = _find_trailer_end(data, line_end)
                if trailer_end < 0:
                    self._require_short_head(len(data) - at)
                    break
                return self._joined_chunks(), trailer_end
            end = begin + size
            if end + 2 > len(data):
                self._missing = end + 2 - len(data)
                break
            if data[end : end + 2] != _LINE_END:
                raise HttpError("a chunk is longer than it said")
            self._keep_chunk(data[begin:end])
            at = end + 2
        else:
            self._require_short_head(len(data) - at)
        return None, at

    def _keep_chunk(self, chunk: bytes) -> None:
        self._body_bytes += len(chunk)
        if self._body_bytes > BODY_BYTES_MAX:
            raise HttpError("too long a body")
        if self._chunks is None:
            self._chunks = []
        self._chunks.append(chunk)

    def _joined_chunks(self) -> bytes:
        body = b"".join(self._chunks or ())
        self._chunks, self._body_bytes = None, 0
        return body

    def _require_short_head(self, size: int) -> None:
        if size > HEAD_BYTES_MAX:
            raise HttpError("too long a head")


def _find_header(head: bytes, lower: bytes, name: bytes) -> bytes | None:
    at = lower.find(b"\r\n%b:" % name)
    if at < 0:
        return None
    at += len(name) + 3
    end = head.find(_LINE_END, at)
    return head[at : end if end >= 0 else len(head)].strip()


def _status(first: bytes) -> int:
    digits = first[9:12]
    if first[:7] != b"HTTP/1." or not digits.isdigit() or len(digits) != 3:
        raise HttpError("no status")
    return int(digits)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(_HEX_DIGITS):
        raise HttpError("a chunk without a size")
    size = int(digits, 16)
    if size > BODY_BYTES_MAX:
        raise HttpError("too long a chunk")
    return size


def _find_trailer_end(data: bytes, line_end: int) -> int:
    """After the empty line that ends the trailers; `line_end` is that of the last chunk's size."""
    end = data.find(_HEAD_END, line_end)
    return -1 if end < 0 else end + 4
