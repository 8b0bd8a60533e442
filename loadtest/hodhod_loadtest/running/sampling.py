"""What the server's processes used, each second, and what they say of themselves, every other.

CPU and memory come from `/proc`, waits and providers from each role's own `/metrics`. A process
that does not answer in time, because it was killed or paused, is left out of that second.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hodhod_loadtest.bench.accounting import ServerProcesses
from hodhod_loadtest.exposition import LOOP_LAG, POOL_WAIT, Histogram, find_p99, histogram, values
from hodhod_loadtest.http.client import Client
from hodhod_loadtest.recording.model import ProviderSample, Sample
from hodhod_loadtest.recording.recorder import Recorder
from hodhod_server.engines import StartFailed
from hodhod_server.supervisor import RunningProcess, read_processes

EVERY_S: Final = 1.0
PAGES_EVERY: Final = 2
Pages = Mapping[str, tuple[str, str]]
"""Role and page of each process that answered, by its name."""

ANSWER_S: Final = 0.9
ACCEPTED: Final = ("accepted", "ambiguous")


class Sampler:
    """Watches one server."""

    def __init__(self, data_dir: Path, processes: ServerProcesses, recorder: Recorder) -> None:
        self._data_dir = data_dir
        self._processes = processes
        self._recorder = recorder
        self._use = processes.read()
        self._before: dict[tuple[str, str], Histogram] = {}
        self._breakers: dict[tuple[str, str, str], float] = {}

    async def run(self) -> None:
        """Until cancelled. A page takes its process milliseconds: one every other second."""
        async with Client() as http:
            for number in itertools.count():
                began_s = time.monotonic()
                await self.look(http, with_pages=number % PAGES_EVERY == 0)
                await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))

    async def look(self, http: Client, *, with_pages: bool) -> None:
        """One sample of each role."""
        try:
            told = read_processes(self._data_dir).processes
        except StartFailed:
            return
        asked = [process for process in told if process.port] if with_pages else []
        pages = await self._pages(http, asked)
        # A thread, for the newcomers' sake: they are due meanwhile.
        await asyncio.to_thread(self._note, pages)

    def _note(self, pages: Pages) -> None:
        use, rss_kib = self._processes.read_with_memory()
        at_s = round(self._recorder.now_s(), 3)
        for role, used_s in use.server_s.items():
            self._recorder.server[role].append(
                Sample(
                    at_s=at_s,
                    cpu_s=round(used_s - self._use.server_s.get(role, 0.0), 3),
                    rss_kib=rss_kib.get(role, 0),
                    loop_lag_p99_ms=self._worst_ms(pages, role, LOOP_LAG),
                    pool_wait_p99_ms=self._worst_ms(pages, role, POOL_WAIT),
                )
            )
        self._use = use
        self._keep(pages)
        if pages:
            self._note_providers([page for _, page in pages.values()], at_s)

    async def _pages(self, http: Client, processes: list[RunningProcess]) -> Pages:
        asked = [(process, http.peer(f"http://127.0.0.1:{process.port}")) for process in processes]
        answers = [
            (process, peer.ask(b"GET /metrics HTTP/1.1\r\nHost: %b\r\n\r\n" % peer.host, ANSWER_S))
            for process, peer in asked
        ]
        pages = {}
        for process, answer in answers:
            message = await answer
            if message.status == 200:
                pages[process.name] = (process.role, message.body.decode())
        return pages

    def _worst_ms(self, pages: Pages, role: str, metric: str) -> float | None:
        """Of the processes of a role, the one that was latest since the look before."""
        told = [
            find_p99(self._before.get((name, metric), {}), histogram(page, metric))
            for name, (own, page) in pages.items()
            if own == role
        ]
        worst = max((one for one in told if one is not None), default=None)
        return None if worst is None else 1000 * worst

    def _keep(self, pages: Pages) -> None:
        for name, (_, page) in pages.items():
            for metric in (LOOP_LAG, POOL_WAIT):
                self._before[name, metric] = histogram(page, metric)

    def _note_providers(self, pages: list[str], at_s: float) -> None:
        states: dict[str, str] = {}
        for page in pages:
            for labels, value in values(page, "hodhod_signup_provider_health"):
                if value == 1:
                    states[labels["provider"]] = labels["health"]
            self._note_breakers(page)
        for name, state in states.items():
            own = {"provider": name}
            handed = _sum(pages, "hodhod_signup_handoffs_total", own)
            taken = sum(
                _sum(pages, "hodhod_signup_handoffs_total", {**own, "outcome": outcome})
                for outcome in ACCEPTED
            )
            self._recorder.providers[name].append(
                ProviderSample(
                    at_s=at_s,
                    state=state,
                    handed=taken,
                    refused=handed - taken,
                    delivered=_sum(
                        pages, "hodhod_signup_receipts_total", {**own, "state": "delivered"}
                    ),
                    verified=_sum(pages, "hodhod_signup_verified_total", own),
                )
            )

    def _note_breakers(self, page: str) -> None:
        for labels, value in values(page, "hodhod_signup_breaker_events_total"):
            key = (labels["provider"], labels["health"], labels["cause"])
            if value > self._breakers.get(key, 0.0):
                provider, health, cause = key
                self._recorder.happened("breaker", f"{provider}: {health} ({cause})")
            self._breakers[key] = value


def _sum(pages: list[str], name: str, wanted: Mapping[str, str]) -> int:
    """Of all series with these labels."""
    return round(
        sum(
            value
            for page in pages
            for labels, value in values(page, name)
            if wanted.items() <= labels.items()
        )
    )
