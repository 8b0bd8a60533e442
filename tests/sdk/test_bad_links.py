"""Files over links that are cut all the time, against the real server.

`BAD_LINK_MIB=2048` sends two gibibytes through cuts every five seconds, which takes two minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hodhod import Client, Progress
from hodhod_server.settings import Settings
from tests.node import Node, new_node, running_node
from tests.sdk.narrow_proxy import NarrowProxy
from tests.sdk.signing_in import SARA, sign_in

log = logging.getLogger(__name__)
MIB = 1024 * 1024
FULL_MIB = int(os.environ.get("BAD_LINK_MIB", "0"))
SIZE = (FULL_MIB or 40) * MIB
CUT_EVERY_S = 5.0 if FULL_MIB else 1.0
RESENT_SHARE_MAX = 0.03 if FULL_MIB else 0.06  # five times as often


@pytest.fixture
async def place() -> Node:
    return new_node()


@pytest.fixture
async def proxy(place: Node) -> AsyncIterator[NarrowProxy]:
    """20 MB/s in front of the media role, and a cut a second."""
    narrow = NarrowProxy(place.media, bytes_s=20e6, cut_every_s=CUT_EVERY_S)
    async with narrow.running():
        yield narrow


@pytest.fixture
async def sara(settings: Settings, place: Node, proxy: NarrowProxy) -> AsyncIterator[Client]:
    public = place._replace(media=proxy.url)
    async with running_node(settings, node=place, public=public), Client(place.url) as client:
        await sign_in(place, client, SARA, "Sara")
        yield client


@pytest.mark.timeout(400 if FULL_MIB else 60)
async def test_a_large_file_goes_through_a_link_that_is_cut_all_the_time(
    sara: Client, proxy: NarrowProxy, tmp_path: Path
) -> None:
    film, told = tmp_path / "film.mp4", list[Progress]()
    sums = _write_film(film)
    chat = await sara.open_private_chat(user=sara.user)
    sent = await sara.send_file(chat, film, on_progress=told.append)
    cuts, resent = proxy.cuts, proxy.upward_bytes / SIZE - 1
    log.info("%d MiB, %d cuts, %.2f %% sent again", SIZE // MIB, cuts, 100 * resent)
    assert cuts >= 2
    assert resent <= RESENT_SHARE_MAX
    assert told[-1].sent == SIZE
    assert max(one.rate for one in told) > 1e6
    film.unlink()
    await sara.download(sent, film)
    assert await asyncio.to_thread(_sums, film) == sums


async def test_a_stream_of_unknown_length_goes_through_it_too(
    sara: Client, proxy: NarrowProxy, tmp_path: Path
) -> None:
    content = random.Random(2).randbytes(12 * MIB + 1)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    chat = await sara.open_private_chat(user=sara.user)
    for stream in (pieces(), io.BytesIO(content), _Pipe(content)):
        sent = await sara.send_file(chat, stream, name="sound.ogg")
        assert sent.file is not None
        assert (sent.file.size, sent.file.name) == (len(content), "sound.ogg")
        read = b"".join([piece async for piece in sara.stream_file(sent, start=MIB)])
        assert read == content[MIB:]
    assert proxy.cuts >= 1


class _Pipe:
    """Bytes that come once."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, length: int, /) -> bytes:
        return self._content.read(length)


def _write_film(path: Path) -> str:
    block, sums = random.Random(1).randbytes(MIB), hashlib.sha256()
    with path.open("wb") as film:
        for number in range(SIZE // MIB):
            piece = number.to_bytes(8, "big") + block[8:]
            sums.update(piece)
            film.write(piece)
    return sums.hexdigest()


def _sums(path: Path) -> str:
    with path.open("rb") as film:
        return hashlib.file_digest(film, "sha256").hexdigest()
