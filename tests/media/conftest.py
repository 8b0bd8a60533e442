"""A media role in this process, on a real socket, and people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.node import media_role
from tests.people import People
from tests.tus_caller import TusCaller
from tests.viewers import Viewer


@pytest.fixture
def people(database: Database, keys: Keys, clock: FakeClock) -> People:
    return People(database, keys, clock)


@pytest.fixture
async def base(settings: Settings, clock: FakeClock) -> AsyncIterator[str]:
    """The address of one media role."""
    async with media_role(settings, clock) as address:
        yield address


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
