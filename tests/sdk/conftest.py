"""Clients at a fake server, and what tests do with them again and again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple

import pytest
from blockbuster import blockbuster_ctx

from hodhod import Chat, Client
from hodhod.testing import FakeServer

OpenClient = Callable[..., Awaitable[Client]]


class Two(NamedTuple):
    """Two people and their chat."""

    sara: Client
    reza: Client
    chat: Chat


@pytest.fixture(autouse=True)
def _the_sdk_never_blocks_the_event_loop() -> Iterator[None]:
    with blockbuster_ctx(["hodhod"]):
        yield


@pytest.fixture
async def fake() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


@pytest.fixture
async def open_client(fake: FakeServer) -> AsyncIterator[OpenClient]:
    """Opens clients of the fake and closes them at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(url: str = fake.url, *, deadline_s: float = 5.0) -> Client:
            client = Client(url, deadline_s=deadline_s)
            return await stack.enter_async_context(client)

        yield start


@pytest.fixture
async def two(fake: FakeServer, open_client: OpenClient) -> Two:
    """Sara and Reza, signed in, with an empty chat."""
    sara, reza = await open_client(), await open_client()
    await fake.sign_in(reza, "09351112233", "Reza")
    await fake.sign_in(sara, "09123456789", "Sara")
    return Two(sara, reza, await sara.open_private_chat(phone="0935 111 2233"))
