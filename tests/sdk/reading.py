"""How tests read events: with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from hodhod import (
    Client,
    Event,
    Message,
)

# A client that has tried in vain a few times may by chance wait ten seconds before the next try.
PATIENCE_S = 30.0
E = TypeVar("E", bound=Event)


async def next_of(client: Client, kind: type[E]) -> E:
    """The next event of a kind; others are passed over."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in client.events():
            if isinstance(event, kind):
                return event
    raise AssertionError("events end only by an exception")


async def next_messages(client: Client, count: int) -> list[Message]:
    """The next so many messages."""
    return [await next_of(client, Message) for _ in range(count)]


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that comes soon."""
    loop = asyncio.get_running_loop()
    due_s = loop.time() + PATIENCE_S
    while not condition():
        assert loop.time() < due_s, "it did not come"
        await asyncio.sleep(0.01)
