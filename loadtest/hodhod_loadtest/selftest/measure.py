"""The generator's own figures, each for one of its cores: what it did for a second of its CPU.

A rate by the clock would tell of the stub as well, and of whoever else shares the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import msgspec

from hodhod_loadtest.bench.figures import percentile, rounded
from hodhod_loadtest.carriers.handsets import Handsets
from hodhod_loadtest.carriers.law import Law
from hodhod_loadtest.carriers.street import Line, open_street
from hodhod_loadtest.http.client import Client, Peer
from hodhod_loadtest.selftest.connected import resident_kib
from hodhod_loadtest.shapes.curve import Curve
from hodhod_loadtest.shapes.times import poisson
from hodhod_loadtest.signups.coming import Coming
from hodhod_loadtest.signups.door import Door
from hodhod_loadtest.signups.journey import Surroundings
from hodhod_loadtest.signups.punctuality import calm_collector

LINE: Final = Line(name="first", kind="kavenegar", law=Law(median_s=0.5, slow=0.0, lost=0.0))
AT_ONCE: Final = 64
SETTLE_S: Final = 1.0
PATIENCE_S: Final = 30.0
CALM_PER_S: Final = 111.0  # 200 at the peak


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    requests: int = 60_000
    waiting: int = 10_000
    connected: int = 10_000
    journeys: int = 6_000
    per_s: float = 600.0

    def scaled(self, scale: float) -> Size:
        """So many times as much, at the same rate."""
        return Size(
            requests=round(self.requests * scale),
            waiting=round(self.waiting * scale),
            connected=round(self.connected * scale),
            journeys=round(self.journeys * scale),
            per_s=self.per_s,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure of the generator, and what it must be at least, or at most."""

    name: str
    must: float
    measured: float
    is_most: bool = False

    @property
    def is_kept(self) -> bool:
        return self.measured <= self.must if self.is_most else self.measured >= self.must

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "must": self.must,
            "bound": "most" if self.is_most else "least",
            "measured": rounded(self.measured),
            "kept": self.is_kept,
        }


async def measure(size: Size) -> list[Finding]:
    """All of them, one after the other, with a stub on the other core."""
    cores = sorted(os.sched_getaffinity(0))
    other = cores[-1] if len(cores) > 1 else -1
    os.sched_setaffinity(0, {cores[0]})
    try:
        async with _stub(other, "") as stub:
            findings = [await _requests(stub.url, size), await _memory(stub.url, size)]
            findings.append(await _memory_of_connected(stub.gateway, size))
        loaded = await _journeys(other, size.journeys, size.per_s)
        calm = await _journeys(other, size.journeys // 4, CALM_PER_S)
    finally:
        os.sched_setaffinity(0, cores)
    return [
        *findings,
        Finding("complete sign-ups for a core-second", 1_000, loaded.inside / loaded.used_s),
        Finding("share of people who are in", 1.0, loaded.inside / size.journeys),
        Finding("200 a second, late p99, ms", 10.0, 1000 * calm.late_p99_s, is_most=True),
    ]


async def _requests(url: str, size: Size) -> Finding:
    """Short answers on connections that are kept."""
    async with Client() as client:
        peer = client.peer(url)
        await _ask_often(peer, AT_ONCE * 10)
        with calm_collector():
            before_s = time.process_time()
            await _ask_often(peer, size.requests)
            used_s = time.process_time() - before_s
    return Finding("keep-alive requests for a core-second", 15_000, size.requests / used_s)


async def _ask_often(peer: Peer, count: int) -> None:
    request = b"GET /free HTTP/1.1\r\nHost: %b\r\n\r\n" % peer.host

    async def work() -> None:
        for _ in range(count // AT_ONCE):
            answer = await peer.ask(request)
            if answer.status != 200:
                raise ConnectionError("the stub did not answer")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())


async def _memory(url: str, size: Size) -> Finding:
    """People who have a challenge and wait for a text that never comes, each on a long poll."""
    async with Client() as client, asyncio.TaskGroup() as tasks:
        crowd = _crowd(Door(client, url), Handsets())
        waiting = await _let_wait(crowd, tasks, size.waiting // 10)
        before_kib = resident_kib()
        waiting += await _let_wait(crowd, tasks, size.waiting)
        each_kib = (resident_kib() - before_kib) / size.waiting
        for task in waiting:
            task.cancel()
    return Finding("memory of one who waits, KiB", 8.0, each_kib, is_most=True)


async def _memory_of_connected(gateway: int, size: Size) -> Finding:
    """People who are signed in, each with a WebSocket on which nothing happens.

    In a process of their own: here they would take the memory that others gave back.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hodhod_loadtest.selftest.connected",
        str(gateway), str(size.connected),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, _ = await process.communicate()
    return Finding("memory of one who is connected, KiB", 20.0, float(told), is_most=True)


async def _let_wait(
    crowd: Coming, tasks: asyncio.TaskGroup, count: int
) -> list[asyncio.Task[None]]:
    """So many more: each asked for a code, heard that it is on its way, and waits."""
    wanted = crowd.around.door.requests + 3 * count
    waiting = []
    for _ in range(count // AT_ONCE):
        waiting += [tasks.create_task(crowd.one(time.monotonic())) for _ in range(AT_ONCE)]
        await asyncio.sleep(0)
    for _ in range(round(PATIENCE_S / SETTLE_S)):
        await asyncio.sleep(SETTLE_S)
        if crowd.around.door.requests >= wanted - 3 * AT_ONCE:
            break
    gc.collect()
    return waiting


@dataclass(frozen=True, slots=True)
class _Journeys:
    inside: int
    used_s: float
    late_p99_s: float


async def _journeys(core: int, count: int, per_s: float) -> _Journeys:
    """From the first request until they are in, with the carrier that texts them."""
    async with open_street([LINE], seed=1) as street:
        carrier = f"http://127.0.0.1:{street.port}"
        async with _stub(core, carrier) as stub, Client() as client:
            crowd = _crowd(Door(client, stub.url), street.handsets)
            with calm_collector():
                before_s = time.process_time()
                curve = Curve.front_loaded(count, count / per_s)
                await crowd.come(poisson(curve, random.Random(1)))
                used_s = time.process_time() - before_s
    inside = sum(account.in_s is not None for account in crowd.accounts)
    return _Journeys(inside, used_s, percentile(crowd.lags_s, 0.99))


def _crowd(door: Door, handsets: Handsets) -> Coming:
    """Newcomers who type at once."""
    around = Surroundings(
        door=door, handsets=handsets, hear=lambda sender, text: None, typing_s=(0.2, 0.6)
    )
    return Coming(around, seed=1)


@dataclass(frozen=True, slots=True)
class _Stub:
    url: str
    gateway: int
    """Its port."""


@contextlib.asynccontextmanager
async def _stub(core: int, carrier: str) -> AsyncIterator[_Stub]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hodhod_loadtest.selftest.stub", str(core), carrier,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = msgspec.json.decode(await process.stdout.readline())
        yield _Stub(f"http://127.0.0.1:{told['port']}", told["gateway"])
    finally:
        process.stdin.close()
        await process.wait()
