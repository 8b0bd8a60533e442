"""Connections between devices and gateways, in memory, behaving like TCP under a WebSocket.

Always true: within a connection nothing is lost, doubled or reordered; what is lost is lost with
the connection. One that stalls says nothing: each end finds out by its heartbeat, later. The two
ends are the transports that the gateway's and the SDK's own classes take.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from hodhod._transport import Ended
from hodhod_wire.codec import MSGPACK, InvalidFrame
from hodhod_wire.frames import Request, ServerFrame
from tests.simulation.processes import Process

APART_S: Final = 1e-5  # between two arrivals: the order of timers of one moment is nobody's promise
SOCKET_BYTES: Final = 16 * 1024  # what the network buffers before a sender waits
GATEWAY_NOTICES_S: Final = 45.0  # the heartbeats of the gateway and of the SDK, and half of them
DEVICE_NOTICES_S: Final = 37.5


class _Direction:
    """Half of a connection: messages on their way one way."""

    def __init__(self, dice: random.Random, latency_s: float) -> None:
        self._dice = dice
        self._latency_s = latency_s
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[bytes] = deque()
        self._last_at_s = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._steps: deque[Callable[[], None]] = deque()
        self._is_paused = False
        self._held = 0  # arrivals that wait for the pause to end
        self._on_the_way_bytes = 0
        self._drained: list[tuple[int, asyncio.Future[None]]] = []
        self.end_code: int | None = None
        self.is_over = False
        """The reader is to be told that nothing more comes."""
        self.is_cut = False
        """What is on its way, and what is sent from now on, goes nowhere."""

    @property
    def unsent_bytes(self) -> int:
        """What the network has not taken yet."""
        return 0 if self.is_over else max(0, self._on_the_way_bytes - SOCKET_BYTES)

    def send(self, message: bytes) -> None:
        if self.is_cut:
            return
        self._on_the_way_bytes += len(message)
        self._travel(partial(self._arrive, message))

    def end(self, code: int | None) -> None:
        """The last word, after everything that was sent."""
        if not self.is_cut:
            self._travel(partial(self.finish, code))

    def finish(self, code: int | None) -> None:
        """The reader learns that it is over, after what has arrived."""
        if not self.is_over:
            self.is_over, self.is_cut, self.end_code = True, True, code
            self._wake()
            self._release()

    def pause(self) -> None:
        """Nothing gets through for now."""
        self._is_paused = True

    def resume(self) -> None:
        """What was held back arrives."""
        self._is_paused = False
        held, self._held = self._held, 0
        for _ in range(held):
            self._loop.call_at(self._arrival_s(), self._reach)

    async def receive(self) -> bytes | None:
        """The next message; `None` after the last."""
        while not self._arrived:
            if self.is_over:
                return None
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._arrived.popleft()
        self._on_the_way_bytes -= len(message)
        self._release()
        return message

    async def drain(self, bytes_max: int) -> None:
        """Wait until no more than this is unsent, or it is over."""
        if self.unsent_bytes > bytes_max:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._drained.append((bytes_max, waiter))
            await waiter

    def _travel(self, step: Callable[[], None]) -> None:
        self._steps.append(step)
        self._loop.call_at(self._arrival_s(), self._reach)

    def _arrival_s(self) -> float:
        travel_s = self._latency_s * (1.0 + self._dice.random())
        self._last_at_s = max(self._last_at_s + APART_S, self._loop.time() + travel_s)
        return self._last_at_s

    def _reach(self) -> None:
        """Whatever the moment was meant for, the oldest comes first."""
        if self._is_paused:
            self._held += 1
        else:
            self._steps.popleft()()

    def _arrive(self, message: bytes) -> None:
        if not self.is_cut:
            self._arrived.append(message)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _release(self) -> None:
        for bytes_max, waiter in self._drained:
            if self.unsent_bytes <= bytes_max and not waiter.done():
                waiter.set_result(None)
        self._drained = [(least, waiter) for least, waiter in self._drained if not waiter.done()]


class Cable:
    """One connection of one device to one gateway."""

    def __init__(
        self, device: Process, gateway: Process, dice: random.Random, latency_s: float
    ) -> None:
        self.device = device
        self.gateway = gateway
        self.up = _Direction(dice, latency_s)
        self.down = _Direction(dice, latency_s)
        self._loop = asyncio.get_running_loop()

    @property
    def is_over(self) -> bool:
        """Both ends know that it has ended."""
        return self.up.is_over and self.down.is_over

    def cut(self) -> None:
        """Broken, and both ends are told so at once."""
        self.up.finish(None)
        self.down.finish(None)

    def stall(self, heals_after_s: float | None) -> None:
        """Nothing gets through and nobody is told. It may heal before the ends notice."""
        self.up.pause()
        self.down.pause()
        if heals_after_s is not None and heals_after_s < DEVICE_NOTICES_S:
            self._loop.call_later(heals_after_s, self._heal)
        else:
            self._loop.call_later(GATEWAY_NOTICES_S, self.up.finish, None)
            self._loop.call_later(DEVICE_NOTICES_S, self.down.finish, None)

    def slow_down(self, for_s: float) -> None:
        """The device reads nothing for a while."""
        self.down.pause()
        self._loop.call_later(for_s, self.down.resume)

    def _heal(self) -> None:
        self.up.resume()
        self.down.resume()


class GatewayEnd:
    """The gateway's transport (`gateway.writer.Transport`)."""

    def __init__(self, cable: Cable, unsent_bytes_max: int) -> None:
        self._cable = cable
        self._unsent_bytes_max = unsent_bytes_max
        self._reads = asyncio.Event()
        self._reads.set()

    async def receive(self) -> bytes | None:
        """The next message, not while reading is paused; `None` after the last."""
        await self._reads.wait()
        return await self._cable.up.receive()

    def pause(self) -> None:
        self._reads.clear()

    def resume(self) -> None:
        self._reads.set()

    def send(self, frame: bytes) -> int:
        if not self._is_over:
            self._cable.down.send(frame)
        return len(frame)

    def unsent_bytes(self) -> int:
        return self._cable.down.unsent_bytes

    async def drain(self) -> None:
        await self._cable.down.drain(self._unsent_bytes_max // 2)
        if self._is_over:
            raise ConnectionResetError

    def close(self, code: int) -> None:
        if not self._is_over:
            self._cable.down.end(code)
            self._cable.up.finish(None)
        self.resume()

    def abort(self) -> None:
        if self._cable.gateway.is_alive:
            self._cable.cut()

    @property
    def _is_over(self) -> bool:
        return not self._cable.gateway.is_alive or self._cable.up.is_over


class DeviceEnd:
    """The SDK's connection (`hodhod._transport.Connection`)."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self.reconnect_within_s = 0.0

    async def send(self, frame: Request) -> None:
        if not self._cable.device.is_alive or self._cable.down.is_over:
            raise Ended(self._cable.down.end_code)
        self._cable.up.send(MSGPACK.encode(frame))

    async def receive(self) -> ServerFrame:
        while (message := await self._cable.down.receive()) is not None:
            with contextlib.suppress(InvalidFrame):
                return MSGPACK.decode_server(message)
        raise Ended(self._cable.down.end_code)

    async def close(self) -> None:
        if self._cable.device.is_alive:
            self._cable.up.end(None)
            self._cable.down.finish(None)
