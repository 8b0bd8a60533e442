"""How fast a large file goes in and out, and what memory that takes.

One stream, over blocking sockets in a thread, because a generator that waits for itself would
measure itself. Every byte that comes back is compared. The machine's own speed is measured in the
same run by what aiohttp does without us (`bare`), in turns with ours.

Each writes where a file of its own was a moment ago: memory that a virtual machine has not been
given yet takes three times as long to fill. The worker has looked at a file before the next
measurement begins.
"""

from __future__ import annotations

import asyncio
import http.client
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from hodhod_loadtest.bench.accounting import Use, share_elsewhere
from hodhod_loadtest.bench.bare import running_bare
from hodhod_loadtest.bench.figures import BenchFailed, Figure, LeftOut, rounded
from hodhod_loadtest.bench.people import Pair, http_client, pair_up
from hodhod_loadtest.bench.target import Plan, Target, open_target

UPLOAD: Final = "upload_mib_s"
UPLOAD_RSS: Final = "upload_rss_mib"
DOWNLOAD: Final = "download_mib_s"
UPLOAD_SHARE: Final = "upload_share_of_bare"
DOWNLOAD_SHARE: Final = "download_share_of_bare"
MIB: Final = 1024 * 1024
PATIENCE_S: Final = 120.0
IDLE_S: Final = 1.0
IDLE_CPU_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One file there or back."""

    seconds: float
    peak_rss_kib: int
    use: Use


class Courier:
    """Carries one file up, and down again."""

    def __init__(self, target: Target, pair: Pair, size_mib: int) -> None:
        self._target = target
        self._pair = pair
        self._size_mib = size_mib
        self._block = random.randbytes(MIB)  # a disk that compresses gains nothing

    async def up(self) -> tuple[Transfer, str]:
        """Through tus in one request; done when the server says that all of it is durable."""
        processes = self._target.processes
        processes.forget_peaks("media")
        before = processes.read()
        media, seconds = await asyncio.to_thread(self._upload)
        use = processes.read() - before
        peak_rss_kib = processes.peak_rss_kib("media")
        return Transfer(seconds=seconds, peak_rss_kib=peak_rss_kib, use=use), media

    async def down(self, media: str) -> Transfer:
        """Through a signed address, as the other one of the pair."""
        processes = self._target.processes
        url = await self._link(media)
        processes.forget_peaks("media")
        before = processes.read()
        seconds = await asyncio.to_thread(self.fetch, url)
        use = processes.read() - before
        return Transfer(seconds=seconds, peak_rss_kib=processes.peak_rss_kib("media"), use=use)

    def _upload(self) -> tuple[str, float]:
        tus = {
            "Authorization": f"Bearer {self._pair.writer.token}",
            "Tus-Resumable": "1.0.0",
        }
        size = {"Upload-Length": str(self._size_mib * MIB), "Content-Length": "0"}
        line = line_to(self._target.media_url)
        try:
            began = time.perf_counter()
            line.request("POST", "/v1/uploads", headers=tus | size)
            place = _answer(line, 201).headers["Location"]
            part = {
                "Upload-Offset": "0",
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(self._size_mib * MIB),
            }
            line.request("PATCH", place, body=self._blocks(), headers=tus | part)
            _answer(line, 204)
            return place.rpartition("/")[2], time.perf_counter() - began
        finally:
            line.close()

    async def remove(self, media: str) -> None:
        """Free the place of an earlier file."""
        headers = {"Tus-Resumable": "1.0.0"}
        async with (
            http_client(self._target.media_url, self._pair.writer.token) as http,
            http.delete(f"/v1/uploads/{media}", headers=headers),
        ):
            pass

    async def until_idle(self) -> None:
        """Until the worker has looked at what there is."""
        while True:
            before = self._target.processes.read()
            await asyncio.sleep(IDLE_S)
            use = self._target.processes.read() - before
            if use.server_s.get("worker", 0.0) <= IDLE_CPU_S:
                return

    def bare_up(self, base: str) -> float:
        """To what aiohttp is by itself; in seconds."""
        line = line_to(base)
        try:
            line.request("DELETE", "/file")
            _answer(line, 204)
            began = time.perf_counter()
            size = {"Content-Length": str(self._size_mib * MIB)}
            line.request("PUT", "/file", body=self._blocks(), headers=size)
            _answer(line, 204)
            return time.perf_counter() - began
        finally:
            line.close()

    def fetch(self, url: str) -> float:
        """The whole file, compared; in seconds."""
        line = line_to(url)
        address = urlsplit(url)
        buffer = bytearray(MIB)  # compared with bytes at once; a memoryview goes one by one
        try:
            began = time.perf_counter()
            line.request("GET", f"{address.path}?{address.query}")
            response = line.getresponse()
            if response.status != 200:
                raise BenchFailed(f"a download was answered with {response.status}")
            for _ in range(self._size_mib):
                _fill(response, memoryview(buffer))
                if buffer != self._block:
                    raise BenchFailed("other bytes came back than went up")
            if response.read():
                raise BenchFailed("more bytes came back than went up")
            return time.perf_counter() - began
        finally:
            line.close()

    def _blocks(self) -> Iterator[bytes]:
        for _ in range(self._size_mib):
            yield self._block

    async def _link(self, media: str) -> str:
        chat = f"/v1/chats/{self._pair.chat}/events"
        body = {"t": "file", "media": media, "name": "file.bin", "size": self._size_mib * MIB}
        event = {"client_id": random.getrandbits(52) + 2, "body": body}
        async with (
            http_client(self._target.api_url, self._pair.writer.token) as http,
            http.post(chat, json=event) as response,
        ):
            seq = (await response.json())["seq"]
        async with (
            http_client(self._target.api_url, self._pair.reader.token) as http,
            http.post(f"{chat}/{seq}/media-link") as response,
        ):
            url: str = (await response.json())["url"]
        return urljoin(self._target.media_url, url)


def line_to(url: str) -> http.client.HTTPConnection:
    """A connection to the server of an address."""
    address = urlsplit(url)
    assert address.hostname is not None
    return http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE_S)


def _answer(line: http.client.HTTPConnection, expected: int) -> http.client.HTTPResponse:
    response = line.getresponse()
    response.read()
    if response.status != expected:
        raise BenchFailed(f"an upload was answered with {response.status}")
    return response


def _fill(response: http.client.HTTPResponse, buffer: memoryview) -> None:
    at = 0
    while at < len(buffer):
        count = response.readinto(buffer[at:])
        if not count:
            raise BenchFailed("a download ended early")
        at += count


async def files(plan: Plan) -> list[Figure | LeftOut]:
    """Up and down again, in turns with a bare aiohttp."""
    ups: list[Transfer] = []
    downs: list[Transfer] = []
    bare_ups: list[float] = []
    bare_downs: list[float] = []
    media = ""
    async with open_target(plan) as target, running_bare(target.data_dir) as bare:
        [pair] = await pair_up(await target.newcomers.many(2), target.api_url)
        courier = Courier(target, pair, plan.file_mib)
        for number in range(1, plan.runs + 1):
            plan.tell(f"{UPLOAD}, {DOWNLOAD}: run {number} of {plan.runs}, {plan.file_mib} MiB")
            bare_ups.append(await asyncio.to_thread(courier.bare_up, bare))
            if media:
                await courier.remove(media)
            up, media = await courier.up()
            ups.append(up)
            await courier.until_idle()
            bare_downs.append(await asyncio.to_thread(courier.fetch, f"{bare}/file"))
            downs.append(await courier.down(media))
    return [
        _speed(UPLOAD, plan.file_mib, ups),
        Figure(
            name=UPLOAD_RSS,
            unit="MiB",
            better="lower",
            runs=tuple(up.peak_rss_kib / 1024 for up in ups),
            detail={"file_mib": plan.file_mib},
        ),
        _speed(DOWNLOAD, plan.file_mib, downs),
        _share(UPLOAD_SHARE, ups, bare_ups),
        _share(DOWNLOAD_SHARE, downs, bare_downs),
    ]


def _share(name: str, transfers: list[Transfer], bare_s: list[float]) -> Figure:
    """Our speed in terms of the bare one's."""
    return Figure(
        name=name,
        unit="of bare aiohttp",
        better="higher",
        runs=tuple(
            bare / transfer.seconds for bare, transfer in zip(bare_s, transfers, strict=True)
        ),
        elsewhere=share_elsewhere([transfer.use for transfer in transfers]),
        detail={"bare_s": [rounded(seconds) for seconds in bare_s]},
    )


def _speed(name: str, size_mib: int, transfers: list[Transfer]) -> Figure:
    return Figure(
        name=name,
        unit="MiB/s",
        better="higher",
        runs=tuple(size_mib / transfer.seconds for transfer in transfers),
        elsewhere=share_elsewhere([transfer.use for transfer in transfers]),
        detail=_detail(size_mib, transfers),
    )


def _detail(size_mib: int, transfers: list[Transfer]) -> dict[str, object]:
    return {
        "file_mib": size_mib,
        "by_run": [
            {
                "mib_per_server_cpu_s": rounded(size_mib / transfer.use.server_total_s),
                "media_peak_rss_mib": rounded(transfer.peak_rss_kib / 1024),
                **transfer.use.as_json(),
            }
            for transfer in transfers
        ],
    }
