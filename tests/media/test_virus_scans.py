"""The virus scanner: what it finds is never served, and its absence follows the operator's rule."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Literal

import pytest

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.domain.ids import MediaId
from hodhod_server.processing.clamd import Clamd, ScannerUnavailable
from hodhod_server.services.processing import NoAnnouncer, Processing
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.system_packages import program
from tests.tus_caller import TusCaller
from tests.viewers import Viewer, row_of

VIRUS = b"this text is what the tests call a virus"


class FakeClamd:
    """Speaks INSTREAM and knows one virus."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        content = bytearray()
        while length := struct.unpack(">I", await reader.readexactly(4))[0]:
            content += await reader.readexactly(length)
        found = b"stream: Test-Virus FOUND\0" if VIRUS in content else b"stream: OK\0"
        if b"too long" in content:
            found = b"INSTREAM size limit exceeded. ERROR\0"
        writer.write(found)
        writer.close()


@contextlib.asynccontextmanager
async def fake_clamd(path: Path) -> AsyncIterator[None]:
    async with await asyncio.start_unix_server(FakeClamd().answer, path):
        yield


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """With a scanner that is not there yet."""
    own = replace(settings.processing, clamd=str(tmp_path / "clamd"))
    return settings.model_copy(update={"processing": own})


async def once(
    settings: Settings,
    database: Database,
    clock: FakeClock,
    media_id: str,
    unscanned: Literal["hold", "serve"] = "hold",
) -> float | None:
    """One try of one file."""
    own = replace(settings.processing, unscanned=unscanned)
    async with open_filesystem(settings.media.directory, 2**20) as blobs:
        scratch = settings.media.directory / ".scratch"
        processing = Processing(database, blobs, clock, own, scratch, NoAnnouncer())
        return await processing.process(MediaId(media_id))


async def test_what_the_scanner_finds_is_never_served(
    settings: Settings,
    database: Database,
    clock: FakeClock,
    sara: TusCaller,
    viewer: Viewer,
) -> None:
    bad = await sara.upload(b"before " + VIRUS, "a.txt", "text/plain")
    good = await sara.upload(b"a poem", "b.txt", "text/plain")
    assert (await viewer.get(good)).code == "media_not_ready", "nobody is served unseen"
    async with fake_clamd(Path(settings.processing.clamd)):
        assert await once(settings, database, clock, bad) is None
        assert await once(settings, database, clock, good) is None
    assert (await row_of(database, bad))["processing"] == "infected"
    assert (await viewer.get(bad)).code == "media_refused"
    assert (await viewer.get(bad, "thumb")).code == "media_refused"
    assert (await viewer.get(good)).body == b"a poem"


async def test_without_an_answer_files_wait_or_pass_as_the_operator_says(
    settings: Settings,
    database: Database,
    clock: FakeClock,
    sara: TusCaller,
    viewer: Viewer,
) -> None:
    media_id = await sara.upload(b"a poem", "b.txt", "text/plain")
    for _ in range(settings.processing.tries_max + 2):
        assert await once(settings, database, clock, media_id) == 30.0
    assert (await viewer.get(media_id)).code == "media_not_ready", "the fault is not the file's"
    assert await once(settings, database, clock, media_id, "serve") is None
    assert (await viewer.get(media_id)).body == b"a poem"


async def test_an_answer_that_is_none_is_not_taken_for_clean(tmp_path: Path) -> None:
    scanner = Clamd(str(tmp_path / "clamd"), timeout_s=5)
    content = tmp_path / "content"
    content.write_bytes(b"too long")
    with content.open("rb") as file:
        with pytest.raises(ScannerUnavailable, match="unreachable"):
            await scanner.is_infected(file)
        async with fake_clamd(tmp_path / "clamd"):
            with pytest.raises(ScannerUnavailable, match="too_large"):
                await scanner.is_infected(file)


@contextlib.contextmanager
def real_clamd(folder: Path) -> Iterator[Path]:
    """Debian's clamd with a database of one signature."""
    (folder / "tests.ndb").write_text(f"Test-Virus:0:*:{VIRUS.hex()}\n")
    socket = folder / "socket"
    configuration = folder / "clamd.conf"
    configuration.write_text(
        f"DatabaseDirectory {folder}\nLocalSocket {socket}\nForeground yes\n"
        f"TemporaryDirectory {folder}\nUser root\n"
    )
    process = subprocess.Popen([program("clamd"), "-c", str(configuration)])
    try:
        yield socket
    finally:
        process.kill()
        process.wait()


@pytest.mark.needs("clamav-daemon")
async def test_the_real_clamd_is_understood(tmp_path: Path) -> None:
    def written(name: str, content: bytes) -> IO[bytes]:
        (tmp_path / name).write_bytes(content)
        return (tmp_path / name).open("rb")

    folder = tmp_path / "database"
    folder.mkdir()
    with real_clamd(folder) as socket:
        await eventually(socket.exists, within_s=20)
        scanner = Clamd(str(socket), timeout_s=20)
        with written("bad", b"x" * 300_000 + VIRUS) as bad, written("good", b"x" * 9) as good:
            assert await scanner.is_infected(bad)
            assert not await scanner.is_infected(good)
    shutil.rmtree(folder)
