"""Ends of the bus on the session's Valkey, under a prefix of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from hodhod_server.cluster.broker import Envelope
from hodhod_server.cluster.redis_pool import open_redis
from hodhod_server.cluster.routing import routes_under
from hodhod_server.domain.ids import ChatId, DeviceId, UserId
from hodhod_server.settings import RedisSettings
from tests.cluster.cable import Cable


class Listener:
    """A subscriber that writes down what it hears."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.gaps = 0
        self.gaps_for: list[UserId] = []
        self.gaps_in: list[ChatId] = []
        self.ended: list[DeviceId] = []
        self.changed: list[tuple[ChatId, int, list[UserId]]] = []

    def on_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes += envelopes

    def on_gap(self) -> None:
        self.gaps += 1

    def on_gap_for(self, users: Sequence[UserId], chats: Sequence[ChatId]) -> None:
        self.gaps_for += users
        self.gaps_in += chats

    def on_device_ended(self, device: DeviceId) -> None:
        self.ended.append(device)

    def on_chat_changed(self, chat: ChatId, version: int, users: Sequence[UserId]) -> None:
        self.changed.append((chat, version, list(users)))


async def routes_of(redis: Redis, prefix: str, users: Sequence[UserId]) -> dict[UserId, list[str]]:
    """Where each of them is connected; people who are nowhere are left out."""
    routes = await redis.mget([f"{routes_under(prefix)}{user}" for user in users])
    return {
        user: cast(bytes, route).decode().split(",")
        for user, route in zip(users, routes, strict=True)
        if route
    }


@contextlib.asynccontextmanager
async def at_work(*loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Background loops, for the life of the block."""

    async def forever(loop: Callable[[], Awaitable[None]]) -> None:
        await loop()

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(forever(loop)) for loop in loops]
        yield
        for loop in running:
            loop.cancel()


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client that nothing disturbs."""
    async with open_redis(redis_settings) as client:
        yield client


@pytest.fixture
async def cable(redis_settings: RedisSettings, tmp_path: Path) -> AsyncIterator[Cable]:
    """A line to Valkey that can be cut and frozen."""
    async with Cable.laid(redis_settings, tmp_path / "cable.sock") as laid:
        yield laid
