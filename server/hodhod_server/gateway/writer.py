"""What is on its way to one client: bounded in bytes and in time.

Frames go to the transport at once, which sends whatever gathers within one turn of the event loop
together. Nobody else ever waits for a slow client: when too much is unsent, or nothing has moved
for too long, the connection ends with a close code after which the client resumes where it was.
Only what the client itself asked for, a page of its log, waits until there is room.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

STALLED_S_MAX: Final = 20.0  # a mobile link that stalls for longer is reconnecting anyway


class Transport(Protocol):
    """A connection that exists already: the gateway's classes take one, they do not open one."""

    def pause(self) -> None:
        """Take no more from the network until `resume`."""

    def resume(self) -> None:
        """Go on taking, if it was paused."""

    def send(self, frame: bytes) -> int:
        """Hand over a message, never waiting; returns how many bytes that makes on the line."""
        ...

    def unsent_bytes(self) -> int:
        """What was handed over and is not yet the network's."""
        ...

    async def drain(self) -> None:
        """Wait until less than half of what a writer may leave unsent is. Raises `OSError`."""
        ...

    def close(self, code: int) -> None:
        """Say goodbye, with a code, after what was sent; cut soon if there is no answer."""

    def abort(self) -> None:
        """Cut the connection."""


class Writer:
    """Frames on their way to one client, in order."""

    __slots__ = ("_bytes_max", "_clock", "_moved_at", "_page_end", "_sent", "_taken", "_transport")

    def __init__(self, transport: Transport, bytes_max: int) -> None:
        self._transport = transport
        self._bytes_max = bytes_max
        self._clock = asyncio.get_running_loop().time
        self._taken = 0  # bytes handed over, ever; the next three count on the same scale
        self._sent = -1  # of them gone, when that was last looked at; -1: all of them
        self._page_end = 0  # where the newest page ends
        self._moved_at = 0.0

    def enqueue(self, frame: bytes) -> bool:
        """Send a frame. False: the client does not keep up, the frame is dropped."""
        unsent = self._transport.unsent_bytes()
        if unsent == 0:
            self._sent = -1
        elif not self._keeps_up(unsent, len(frame)):
            return False
        self._taken += self._transport.send(frame)
        return True

    def enqueue_page(self, frame: bytes) -> None:
        """Send a page that was asked for, however large: `room` was awaited before it was read.

        It leaves the room for pushes as it is: asking for a page makes nobody slow.
        """
        self._taken += self._transport.send(frame)
        self._page_end = self._taken

    async def room(self) -> bool:
        """Wait until less than half of the room is taken. False: the connection is over."""
        try:
            await self._transport.drain()
        except OSError:
            return False
        return True

    def _keeps_up(self, unsent: int, more: int) -> bool:
        now, sent = self._clock(), max(0, self._taken - unsent)
        if sent > self._sent:
            self._sent, self._moved_at = sent, now
        of_pages = max(0, self._page_end - sent)
        return unsent - of_pages + more <= self._bytes_max and now - self._moved_at <= STALLED_S_MAX
