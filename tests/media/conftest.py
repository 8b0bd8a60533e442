"""A media role in this process, on a real socket, and people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hodhod_server import app
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.store.database import Database
from hodhod_server.web.serving import serve
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.people import People
from tests.tus_caller import TusCaller
from tests.viewers import Viewer


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def base(settings: Settings, clock: FakeClock) -> AsyncIterator[str]:
    """The address of one media role."""
    listen = ListenSettings(port=free_port())
    async with app.media(settings, clock) as parts, serve(parts.app, listen):
        yield f"http://127.0.0.1:{listen.port}"


@pytest.fixture
async def sara(base: str, people: People) -> AsyncIterator[TusCaller]:
    """Somebody who uploads."""
    async with TusCaller.open(base, await people.new()) as caller:
        yield caller


@pytest.fixture
async def omid(base: str, people: People) -> AsyncIterator[TusCaller]:
    """Somebody else."""
    async with TusCaller.open(base, await people.new("امید")) as caller:
        yield caller


@pytest.fixture
def links(keys: Keys, clock: FakeClock, settings: Settings, base: str) -> MediaLinks:
    return MediaLinks(keys.media_link, clock, link_s=settings.media.link_s, base_url=base)


@pytest.fixture
def reader() -> UserId:
    """For whom links are minted."""
    return UserId(77)


@pytest.fixture
def viewer(omid: TusCaller, links: MediaLinks, reader: UserId) -> Viewer:
    """Somebody who downloads with fresh links."""
    return Viewer(omid, links, reader)
