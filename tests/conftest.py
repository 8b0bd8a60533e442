"""Fixtures of all tests: real engines for the session, an empty database and keys for each test."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hodhod_server.domain.keys import Keys
from hodhod_server.domain.secret import Secret
from hodhod_server.settings import (
    DatabaseSettings,
    ListenSettings,
    LoadSettings,
    MediaSettings,
    RedisSettings,
    SecuritySettings,
    Settings,
)
from hodhod_server.store.database import Database, open_database
from tests.clock import FakeClock
from tests.engine_pool import EnginePool, open_engine_pool
from tests.swift.server import require_swift, running_swift
from tests.system_packages import require_package

CALM = LoadSettings(busy_ms=60_000, strained_ms=60_000, saturated_ms=60_000)
"""However slow the machine is, nothing is shed: tests that want a level say so."""

for _name in [name for name in os.environ if name.startswith("HODHOD")]:
    del os.environ[_name]


@pytest.fixture(autouse=True)
def _needed_packages(request: pytest.FixtureRequest) -> None:
    """`@pytest.mark.needs("kannel")`: a program that pip cannot install."""
    for mark in request.node.iter_markers("needs"):
        for package in mark.args:
            require_package(package)


@pytest.fixture(scope="session")
def engine_pool() -> Iterator[EnginePool]:
    """PostgreSQL and Valkey, started once."""
    with open_engine_pool() as pool:
        yield pool


@pytest.fixture(scope="session")
def swift_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where an object store speaks S3, started once; its bucket is there."""
    require_swift()
    with running_swift(tmp_path_factory.mktemp("swift")) as port:
        yield port


@pytest.fixture
def database_settings(engine_pool: EnginePool) -> Iterator[DatabaseSettings]:
    """An empty database with every migration applied."""
    with engine_pool.database() as settings:
        yield settings


@pytest.fixture
def redis_settings(engine_pool: EnginePool) -> RedisSettings:
    """The shared Valkey under a prefix of this test's own."""
    return engine_pool.redis()


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A pool on this test's database."""
    async with open_database(database_settings, "test") as opened:
        yield opened


@pytest.fixture
def settings(
    database_settings: DatabaseSettings, redis_settings: RedisSettings, tmp_path: Path
) -> Settings:
    """Everything a role needs: this test's stores, a key, free ports, a folder for media."""
    return Settings(
        database=database_settings,
        redis=redis_settings,
        listen=ListenSettings(port=0),
        security=SecuritySettings(master_key=Secret(secrets.token_bytes(32))),
        media=MediaSettings(directory=tmp_path / "media"),
        load=CALM,
    )


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """The keys that follow from this test's master key."""
    return Keys.from_master(settings.security.master_key)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()
