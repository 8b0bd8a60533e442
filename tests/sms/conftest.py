"""Fixtures of providers: a fake one on loopback, and ours opened against it by its settings."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pydantic import TypeAdapter

from hodhod_server.settings.providers import AnyProvider
from hodhod_server.sms.opening import open_providers
from hodhod_server.sms.provider import Arrival
from tests.clock import FakeClock
from tests.fake_provider import FakeProvider, running_provider

ENTRIES: TypeAdapter[AnyProvider] = TypeAdapter(AnyProvider)
OpenOne = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    """What stands for the provider."""
    async with running_provider() as running:
        yield running


@pytest.fixture
def open_one(fake: FakeProvider) -> OpenOne:
    """Opens a provider as the settings would, its address that of the fake unless given."""

    async def ignore(_: Sequence[Arrival]) -> None:
        raise AssertionError

    @contextlib.asynccontextmanager
    async def opening(**entry: Any) -> AsyncIterator[Any]:
        settings = ENTRIES.validate_python({"name": "one", "base_url": fake.url, **entry})
        async with open_providers([settings], FakeClock(), ignore) as opened:
            yield opened["one"]

    return opening
