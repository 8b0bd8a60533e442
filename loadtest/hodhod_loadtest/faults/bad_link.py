"""A TCP proxy that is a good link until it is spoilt: late, or broken again and again.

Lateness is added to every chunk in both directions and keeps their order, as a long way does. A cut
is abrupt (RST), as when a phone changes towers: neither side hears a goodbye.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Self, cast


class BadLink:
    """Between clients and one address."""

    def __init__(self, target: tuple[str, int], chance: random.Random) -> None:
        self.cuts = 0
        self.delay_s = 0.0
        self.port = 0
        self.wires: set[_Wire] = set()
        self.target = target
        self._chance = chance
        self._cut_after_s: float | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, target: tuple[str, int], chance: random.Random) -> AsyncIterator[Self]:
        """Accept connections on a loopback port for the life of the block."""
        link = cls(target, chance)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:

            def accept() -> _Wire:
                wire = _Wire(link)
                wire.connecting = tasks.create_task(_connect(wire))
                return wire

            server = await loop.create_server(accept, "127.0.0.1", 0, backlog=1024)
            link.port = server.sockets[0].getsockname()[1]
            try:
                yield link
            finally:
                server.close()
                for wire in list(link.wires):
                    wire.cut()

    def spoil(self, delay_s: float, cut_after_s: float | None) -> None:
        """From now on. Who is connected is cut at a random moment within that time."""
        self.delay_s = delay_s
        self._cut_after_s = cut_after_s
        for wire in list(self.wires):
            self.plan_cut(wire)

    def mend(self) -> None:
        """A good link again."""
        self.delay_s = 0.0
        self._cut_after_s = None

    def plan_cut(self, wire: _Wire) -> None:
        """Of a connection that is made while the link is bad."""
        if self._cut_after_s is not None:
            after_s = self._chance.uniform(0.0, 2 * self._cut_after_s)
            asyncio.get_running_loop().call_later(after_s, self._cut, wire)

    def _cut(self, wire: _Wire) -> None:
        if self._cut_after_s is not None and wire in self.wires:
            self.cuts += 1
            wire.cut()


class _End(asyncio.Protocol):
    """One side of a connection; what comes in goes out at the other."""

    def __init__(self, link: BadLink) -> None:
        self.link = link
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._late: deque[tuple[float, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        for data in self._early:
            self.transport.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """At once, or later; never before what came before it."""
        if self.link.delay_s == 0 and not self._late:
            self._pass_on(data)
            return
        self._late.append((time.monotonic() + self.link.delay_s, data))
        if len(self._late) == 1:
            self._wait()

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def take(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def _wait(self) -> None:
        left_s = self._late[0][0] - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, left_s), self._let_go)

    def _let_go(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            self._pass_on(self._late.popleft()[1])
        if self._late:
            self._wait()

    def _pass_on(self, data: bytes) -> None:
        if self.other is not None:
            self.other.take(data)


class _Wire(_End):
    """The client's side, which knows the far one."""

    def __init__(self, link: BadLink) -> None:
        super().__init__(link)
        self.connecting: asyncio.Task[None] | None = None
        self.other = self.far = _End(link)
        self.far.other = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.link.wires.add(self)
        self.link.plan_cut(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.link.wires.discard(self)
        super().connection_lost(error)

    def cut(self) -> None:
        """Neither side hears a goodbye."""
        for end in (self, self.far):
            if end.transport is not None:
                _reset(end.transport)


async def _connect(wire: _Wire) -> None:
    try:
        await asyncio.get_running_loop().create_connection(lambda: wire.far, *wire.link.target)
    except OSError:
        wire.cut()


def _reset(transport: asyncio.Transport) -> None:
    """Close with a RST instead of a FIN."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
