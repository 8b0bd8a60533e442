"""A private server under measurement, and the plan by which it is measured."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import yarl

from hodhod_loadtest.bench.accounting import ServerProcesses
from hodhod_loadtest.bench.connection import Door
from hodhod_loadtest.bench.people import Newcomers, http_client
from hodhod_loadtest.exposition import LOAD_LEVEL, values
from hodhod_loadtest.local_server import OPEN_DOOR, local_server

LOOKS_MAX: Final = 120
BETWEEN_LOOKS_S: Final = 0.5
NOTHING_MORE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; the defaults are what `make bench` tells."""

    runs: int = 3
    seconds: float = 5.0
    warm_up_s: float = 1.0
    pairs: int = 100
    idle_connections: int = 10_000
    group_online: int = 1000
    large_group_members: int = 100_000
    large_group_online: int = 10_000
    flooding: int = 1000
    overload_s: float = 60.0
    grown_messages: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    grown_chats: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    grown_members: tuple[int, ...] = (2, 200, 2_000, 20_000, 200_000)
    grown_online: tuple[int, ...] = (0, 1_000, 5_000, 10_000)
    file_mib: int = 300
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the servers, on top of ours: settings under which to measure."""

    tell: Callable[[str], None] = lambda line: None
    """Gets a line before each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running server: where its edges are, and what it uses."""

    door: Door
    api_url: str
    media_url: str
    signup_url: str
    data_dir: Path
    newcomers: Newcomers
    processes: ServerProcesses


@contextlib.asynccontextmanager
async def open_target(
    plan: Plan, environment: Mapping[str, str] = NOTHING_MORE
) -> AsyncIterator[Target]:
    """A fresh server, gone after the block. Raises `ServerFailed`."""
    async with local_server({**OPEN_DOOR, **environment, **plan.environment}) as server:
        async with http_client(server.url) as http, http.get("/.well-known/hodhod") as response:
            told = await response.json()
        await _until_calm(told["api"], told["signup"])
        socket = yarl.URL(told["ws"])
        assert socket.host is not None
        assert socket.port is not None
        yield Target(
            door=Door(socket.host, socket.port, socket.path),
            api_url=told["api"],
            media_url=told["media"],
            signup_url=told["signup"],
            data_dir=server.data_dir,
            newcomers=Newcomers(told["signup"]),
            processes=ServerProcesses.of(server.data_dir),
        )


async def _until_calm(*urls: str) -> None:
    """A server that has just started on a busy machine refuses whom it would let in seconds later.

    One that is still not calm after a minute is measured as it is.
    """
    async with http_client(urls[0]) as http:
        for _ in range(LOOKS_MAX):
            if max([await _load_level(http, url) for url in urls]) == 0:
                return
            await asyncio.sleep(BETWEEN_LOOKS_S)


async def _load_level(http: aiohttp.ClientSession, url: str) -> float:
    async with http.get(f"{url}/metrics") as answer:
        return max(level for _, level in values(await answer.text(), LOAD_LEVEL))
