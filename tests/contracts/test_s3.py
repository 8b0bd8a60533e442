"""What only an object store can show: signatures, parts, and a line that fails."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hodhod_server.blobs import s3_requests
from hodhod_server.blobs.s3 import S3Blobs, open_s3
from hodhod_server.blobs.s3_concatenation import COPY_BYTES_MAX, PART_BYTES_MIN, plan
from hodhod_server.blobs.s3_objects import Window
from hodhod_server.blobs.s3_requests import Bucket
from hodhod_server.blobs.s3_signing import Signer, Unsigned
from hodhod_server.blobs.store import BlobsUnavailable
from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.ids import random_public_id
from hodhod_server.domain.secret import Secret
from tests.swift.faults import FaultyLine, faulty_line
from tests.swift.server import s3_settings

MIB = 1024 * 1024


@pytest.fixture
async def line(swift_port: int) -> AsyncIterator[FaultyLine]:
    async with faulty_line(swift_port, random.Random(5)) as opened:
        yield opened


@pytest.fixture
async def store(line: FaultyLine, swift_port: int, tmp_path: Path) -> AsyncIterator[S3Blobs]:
    """Behind the line; other tests' blobs are under other prefixes."""
    terms = replace(
        s3_settings(swift_port), endpoint=line.url, prefix=f"{random_public_id()}/", tries=8
    )
    async with open_s3(terms, tmp_path, SystemClock()) as opened:
        yield opened


async def digest(store: S3Blobs, key: str) -> bytes:
    async with store.reading(key) as reader:
        found = hashlib.sha256()
        async for piece in reader.pieces(0, reader.size_bytes):
            found.update(piece)
        return found.digest()


def test_a_request_is_signed_as_amazon_documents_it() -> None:
    signer = Signer(
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key=Secret(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
    )
    headers = {"host": "examplebucket.s3.amazonaws.com", "range": "bytes=0-9"}
    moment = datetime(2013, 5, 24, tzinfo=UTC)
    signed = signer.signed(Unsigned(method="GET", path="/test.txt"), headers, moment)
    signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    assert signed["authorization"].endswith(f"Signature={signature}")


def test_the_bucket_stands_in_the_path_or_in_the_host() -> None:
    path = Bucket(endpoint="https://s3.example.org/base/", name="media", is_path_style=True)
    assert path.address("a/b") == (
        *("https://s3.example.org", "s3.example.org", "/base/media/a/b"),
    )
    host = Bucket(endpoint="https://s3.example.org", name="media", is_path_style=False)
    assert host.address("a/b") == ("https://media.s3.example.org", "media.s3.example.org", "/a/b")


def test_parts_that_are_joined_are_long_enough_but_the_last() -> None:
    dice = random.Random(1)
    for _ in range(200):
        sizes = [
            dice.choice([0, 1, 17, PART_BYTES_MIN - 1, PART_BYTES_MIN, 7 * MIB, COPY_BYTES_MAX + 1])
            for _ in range(dice.randint(0, 6))
        ]
        sources = [Window(str(number), 0, size) for number, size in enumerate(sizes)]
        pieces = plan(sources)
        lengths = [sum(window.length_bytes for window in piece) for piece in pieces]
        assert sum(lengths) == sum(sizes)
        assert all(length >= PART_BYTES_MIN for length in lengths[:-1])
        flat = [window for piece in pieces for window in piece]
        for source in sources:
            mine = [window for window in flat if window.key == source.key]
            assert [window.start for window in mine] == [0, *(w.stop for w in mine)][: len(mine)]


async def test_parts_that_fail_are_sent_again_and_nothing_told_is_lost(
    store: S3Blobs, line: FaultyLine
) -> None:
    key, data = random_public_id(), os.urandom(23 * MIB)
    await store.create(key)
    line.share = 0.3
    offset = 0
    while offset < len(data):
        told = 0
        async with store.appending(key) as appender:
            await appender.start_at(offset)
            for start in range(offset, min(offset + 9 * MIB, len(data)), MIB // 2):
                await appender.write(data[start : start + MIB // 2])
                told = appender.durable_bytes
            offset = (
                await appender.finish()
                if offset + 9 * MIB >= len(data)
                else await appender.sync() - 1000  # the last record was lost
            )
            assert told <= offset + 1000
    assert await digest(store, key) == hashlib.sha256(data).digest()
    assert min(line.seen[fault] for fault in ("slow_down", "broken", "cut", "lost")) > 0, line.seen


async def test_a_slow_line_is_waited_for_and_one_that_stands_still_is_not(
    line: FaultyLine, swift_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"{random_public_id()}/"
    terms = replace(s3_settings(swift_port), endpoint=line.url, prefix=prefix, part_bytes=16 * MIB)
    key, data = random_public_id(), os.urandom(17 * MIB)
    async with open_s3(terms, tmp_path, SystemClock()) as store:
        monkeypatch.setattr(s3_requests, "SILENCE_S", 0.5)  # of bodies; answers may take longer
        await store.create(key)
        line.bytes_s, line.still = 16 * MIB, 1
        async with store.appending(key) as appender:
            await appender.start_at(0)
            for start in range(0, len(data), MIB):
                await appender.write(data[start : start + MIB])
            await appender.finish()
        line.bytes_s = 0
        assert await digest(store, key) == hashlib.sha256(data).digest()
    assert (line.still, line.seen["still"]) == (0, 1)
    assert line.seen["none"] < 20, "what was slow was not sent again"


async def test_a_store_that_is_away_is_said_to_be(
    line: FaultyLine, swift_port: int, tmp_path: Path
) -> None:
    terms = replace(s3_settings(swift_port), endpoint=line.url, tries=2)
    async with open_s3(terms, tmp_path, SystemClock()) as store:
        key = random_public_id()
        await store.create(key)
        async with store.appending(key) as appender:
            await appender.start_at(0)
            await appender.write(b"x" * 100)
            assert await appender.sync() == 100
            line.share = 1.0
            await appender.write(b"y" * 100)
            with pytest.raises(BlobsUnavailable):
                await appender.sync()
            assert appender.durable_bytes == 100
            line.share = 0.0
            assert await appender.sync() == 200


async def test_what_nobody_finishes_leaves_nothing_behind(store: S3Blobs) -> None:
    given_up, going_on = random_public_id(), random_public_id()
    for key in (given_up, going_on):
        await store.create(key)
        async with store.appending(key) as appender:
            await appender.start_at(0)
            await appender.write(os.urandom(5 * MIB + 5))
            await appender.sync()
    lost = await store._objects.begin_parts(random_public_id())  # its writer died here
    assert lost
    await store.delete(given_up)
    later = SystemClock().now() + timedelta(hours=1)
    assert await store.tidy(later) == 1
    assert [key async for key, _, _ in store._objects.unfinished()] == [going_on]
    assert [blob.key async for blob in store.blobs()] == [going_on]
