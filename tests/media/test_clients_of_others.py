"""tus clients of other people's making, unmodified, with 300 MB: tuspy, aiotus, tus-js-client.

tus-js-client comes from npm into `build/`, as its lock file says.
"""

from __future__ import annotations

import asyncio
import contextlib
import filecmp
import io
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiotus
import pytest
import yarl
from tusclient.client import TusClient

from hodhod_loadtest.faults.cutting_proxy import CuttingProxy
from hodhod_server.domain.ids import MediaId
from hodhod_server.settings import PublicSettings, Settings
from hodhod_server.store import uploads
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.node import media_role
from tests.people import People
from tests.stored_uploads import stored
from tests.system_packages import REQUIRED_VARIABLE, program
from tests.tus_caller import TusCaller

MIB = 1024 * 1024
LENGTH = 300_000_000
PARTS = 3
JS = Path(__file__).with_name("tus_js")
JS_BUILD = Path(__file__).parents[2] / "build" / "tus_js"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A film: no two of its megabytes are the same."""
    path, dice = tmp_path_factory.mktemp("film") / "trip.mp4", random.Random(1)
    with path.open("wb") as film:
        film.writelines(dice.randbytes(LENGTH // 100) for _ in range(100))
    yield path
    path.unlink()


@pytest.fixture
async def require_same(
    settings: Settings, database: Database, file: Path
) -> AsyncIterator[list[str]]:
    """Addresses of uploads that must be the film when the test ends."""
    addresses: list[str] = []
    yield addresses
    assert addresses
    for address in addresses:
        async with database.connection() as connection:
            found = await uploads.find_file(connection, MediaId(address.rpartition("/")[2]))
        assert found is not None, "it is finished"
        assert (found.name, found.content_type) == ("سفر.mp4", "video/mp4")
        same = filecmp.cmp(stored(settings, f"/{found.blob_key}"), file, shallow=False)
        assert same
        stored(settings, f"/{found.blob_key}").unlink()


async def test_tuspy_with_checksums_resumes(
    sara: TusCaller, file: Path, require_same: list[str]
) -> None:
    token = {"Authorization": sara.headers["Authorization"]}
    client = TusClient(f"{sara.base}/v1/uploads", headers=token)
    described = {"filename": "سفر.mp4", "filetype": "video/mp4"}

    def begin() -> str:
        with file.open("rb") as stream:
            uploader: Any = client.uploader(
                file_stream=stream, chunk_size=40 * MIB, metadata=described, upload_checksum=True
            )
            uploader.upload_chunk()
            uploader.upload_chunk()
        assert isinstance(uploader.url, str)
        return uploader.url

    def resume(url: str) -> int:
        with file.open("rb") as stream:
            uploader = client.uploader(
                file_stream=stream, chunk_size=64 * MIB, url=url, upload_checksum=True
            )
            resumed_at: int = uploader.offset
            uploader.upload()
        return resumed_at

    url = await asyncio.to_thread(begin)
    assert await asyncio.to_thread(resume, url) == 80 * MIB
    require_same.append(url)


# aiotus gives aiohttp its pieces as plain bytes, of which aiohttp warns.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_aiotus_sends_parts_in_parallel_over_a_link_that_breaks(
    settings: Settings, clock: FakeClock, people: People, file: Path, require_same: list[str]
) -> None:
    port, cut_after, sara = free_port(), range(40 * MIB, 90 * MIB), await people.new()
    public = PublicSettings(media_url=f"http://127.0.0.1:{port}")  # aiotus wants whole addresses
    async with (
        media_role(settings.model_copy(update={"public": public}), clock) as base,
        CuttingProxy.open(
            ("127.0.0.1", int(base.rpartition(":")[2])), cut_after, seed=3, port=port
        ) as proxy,
    ):
        with contextlib.ExitStack() as stack:
            url = await aiotus.upload_multiple(
                f"http://127.0.0.1:{proxy.port}/v1/uploads",
                [stack.enter_context(_slice(file, number)) for number in range(PARTS)],
                {"filename": "سفر.mp4".encode(), "filetype": b"video/mp4"},
                config=aiotus.RetryConfiguration(max_retry_period_seconds=0.05),
                headers={"Authorization": f"Bearer {sara.token}"},
            )
    assert proxy.cuts
    assert isinstance(url, yarl.URL)
    require_same.append(url.path)


def _slice(file: Path, number: int) -> io.BytesIO:
    size = LENGTH // PARTS
    with file.open("rb") as stream:
        stream.seek(number * size)
        return io.BytesIO(stream.read(size))


@pytest.fixture(scope="module")
def tus_js() -> Path:
    """tus-js-client, fetched once; where it cannot be, its test is skipped, or fails in CI."""
    lock = JS_BUILD / "package-lock.json"
    wanted = (JS / "package-lock.json").read_bytes()
    if lock.exists() and lock.read_bytes() == wanted and (JS_BUILD / "node_modules").exists():
        return JS_BUILD
    JS_BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(JS / name, JS_BUILD / name)
    command = [str(program("npm")), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    fetched = subprocess.run(
        command, cwd=JS_BUILD, capture_output=True, text=True, timeout=50, check=False
    )
    if fetched.returncode:
        lock.unlink()
        if os.environ.get(REQUIRED_VARIABLE):
            pytest.fail(fetched.stderr)
        pytest.skip("npm could not fetch tus-js-client")
    return JS_BUILD


@pytest.mark.needs("nodejs", "npm")
@pytest.mark.parametrize("how", ["parallel", "resume", "deferred"])
async def test_tus_js_client(
    sara: TusCaller, file: Path, tus_js: Path, require_same: list[str], how: str
) -> None:
    token = sara.headers["Authorization"].removeprefix("Bearer ")
    node = await asyncio.create_subprocess_exec(
        *(str(program("node")), str(JS / "upload.js")),
        *(str(file), f"{sara.base}/v1/uploads", token, how),
        env={**os.environ, "TUS_JS_MODULES": str(tus_js)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await node.communicate()
    assert node.returncode == 0, stderr.decode()
    require_same.append(stdout.decode().strip())
