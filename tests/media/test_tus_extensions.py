"""tus 1.0.0, its extensions: checksum, creation-defer-length, concatenation, and refused types."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import google_crc32c
import pytest

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.settings import Settings
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.node import media_role
from tests.people import People
from tests.stored_uploads import recorded_offset, stored, until_recorded, until_writing
from tests.tus_caller import OCTETS, Answer, RawUpload, TusCaller, metadata

MIB = 1024 * 1024


def files_in(settings: Settings) -> list[Path]:
    return [path for path in settings.media.directory.rglob("*") if path.is_file()]


def checksum(algorithm: str, data: bytes) -> str:
    if algorithm == "crc32c":
        digest = google_crc32c.value(data).to_bytes(4, "big")
    else:
        digest = hashlib.new(algorithm, data).digest()
    return f"{algorithm} {base64.b64encode(digest).decode()}"


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


# --- checksum ------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "crc32c"])
async def test_a_piece_with_a_wrong_checksum_was_never_there(
    sara: TusCaller, settings: Settings, database: Database, algorithm: str
) -> None:
    content = os.urandom(3 * MIB + 5)
    path = await sara.create(len(content))
    first = content[: 2 * MIB]
    right = {"Upload-Checksum": checksum(algorithm, first)}
    assert (await sara.patch(path, 0, first, **right)).offset == 2 * MIB
    rest = content[2 * MIB :]
    damaged = bytes([rest[0] ^ 1]) + rest[1:]
    right = {"Upload-Checksum": checksum(algorithm, rest)}
    for body in (damaged, pieces(damaged), rest[:-1]):
        answer = await sara.patch(path, 2 * MIB, body, **right)
        assert (answer.status, answer.code) == (460, "checksum_mismatch")
        assert answer.members["titles"]["fa"]
        assert await recorded_offset(database, sara, path) == 2 * MIB
    assert (await sara.patch(path, 2 * MIB, pieces(rest[:7], rest[7:]), **right)).status == 204
    assert stored(settings, path).read_bytes() == content


async def test_the_checksum_of_rfc_3720_is_known(sara: TusCaller) -> None:
    path = await sara.create(9)
    header = "crc32c " + base64.b64encode(bytes.fromhex("e3069283")).decode()
    assert (await sara.patch(path, 0, b"123456789", **{"Upload-Checksum": header})).status == 204


@pytest.mark.parametrize(
    "header", ["", "sha1", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1 AAAA", "sha1 !"]
)
async def test_a_checksum_that_cannot_be_checked_is_refused(sara: TusCaller, header: str) -> None:
    path = await sara.create(3)
    answer = await sara.patch(path, 0, b"abc", **{"Upload-Checksum": header})
    assert (answer.status, answer.code) == (400, "malformed")
    headers = {"Upload-Length": "3", "Content-Type": OCTETS, "Upload-Checksum": header}
    answer = await sara.ask("POST", "/v1/uploads", headers, b"abc")
    assert (answer.status, answer.code) == (400, "malformed")


async def test_the_bytes_of_a_creation_may_have_a_checksum(sara: TusCaller) -> None:
    headers = {"Upload-Length": "3", "Content-Type": OCTETS}
    headers["Upload-Checksum"] = checksum("sha1", b"abd")
    answer = await sara.ask("POST", "/v1/uploads", headers, b"abc")
    assert (answer.status, answer.code) == (460, "checksum_mismatch")
    assert (await sara.head(answer.headers["Location"])).offset == 0


async def test_of_a_cut_piece_with_a_checksum_nothing_counts(
    sara: TusCaller, database: Database
) -> None:
    content = os.urandom(20 * MIB)
    path = await sara.create(len(content))
    sara.headers["Upload-Checksum"] = checksum("sha1", content)
    connection = await RawUpload.begin(sara, path, 0, len(content))
    del sara.headers["Upload-Checksum"]
    await connection.send(content[: 12 * MIB])
    await until_writing(database, sara, path)
    connection.abort()
    assert (await sara.head(path)).offset == 0
    assert (await sara.patch(path, 0, content)).offset == len(content)


# --- a length that is told later -----------------------------------------------------------------


async def deferred(caller: TusCaller) -> str:
    answer = await caller.ask("POST", "/v1/uploads", {"Upload-Defer-Length": "1"})
    assert answer.status == 201
    return answer.headers["Location"]


async def test_a_length_may_be_told_with_any_piece_and_only_once(
    sara: TusCaller, settings: Settings
) -> None:
    path = await deferred(sara)
    assert (await sara.patch(path, 0, b"abc")).offset == 3
    head = await sara.head(path)
    assert (head.offset, head.headers["Upload-Defer-Length"]) == (3, "1")
    assert "Upload-Length" not in head.headers
    for length in ("2", "x", str(settings.media.upload_bytes_max + 1)):
        refused = await sara.patch(path, 3, b"", **{"Upload-Length": length})
        assert refused.status in {400, 413}
    told = await sara.patch(path, 3, b"de", **{"Upload-Length": "6"})
    assert (told.status, told.offset) == (204, 5)
    head = await sara.head(path)
    assert head.headers["Upload-Length"] == "6"
    assert "Upload-Defer-Length" not in head.headers
    assert (await sara.patch(path, 5, b"f", **{"Upload-Length": "7"})).code == "malformed"
    last = await sara.patch(path, 5, b"f", **{"Upload-Length": "6"})
    assert last.offset == 6
    assert "Upload-Expires" not in last.headers
    assert stored(settings, path).read_bytes() == b"abcdef"


async def test_a_length_told_after_the_last_byte_finishes_the_upload(sara: TusCaller) -> None:
    path = await deferred(sara)
    assert "Upload-Expires" in (await sara.patch(path, 0, pieces(b"abc"))).headers
    assert (
        "Upload-Expires" not in (await sara.patch(path, 3, b"", **{"Upload-Length": "3"})).headers
    )


async def test_without_a_length_the_limit_is_the_servers(
    settings: Settings, clock: FakeClock, people: People
) -> None:
    small = replace(settings.media, upload_bytes_max=5)
    async with (
        media_role(settings.model_copy(update={"media": small}), clock) as base,
        TusCaller.open(base, await people.new()) as sara,
    ):
        path = await deferred(sara)
        assert (await sara.patch(path, 0, pieces(b"abcdef"))).code == "too_large"
        assert (await sara.head(path)).offset == 5


# --- concatenation -------------------------------------------------------------------------------


async def a_part(caller: TusCaller, content: bytes) -> str:
    path = await caller.create(len(content), **{"Upload-Concat": "partial"})
    if content:
        assert (await caller.patch(path, 0, content)).status == 204
    return path


async def final(caller: TusCaller, *parts: str, **headers: str) -> Answer:
    concat = {"Upload-Concat": f"final;{' '.join(parts)}"}
    return await caller.ask("POST", "/v1/uploads", {**concat, **headers})


async def test_parts_become_one_file_with_its_own_metadata_and_are_gone(
    sara: TusCaller, settings: Settings, links: MediaLinks, reader: UserId
) -> None:
    contents = [os.urandom(size) for size in (MIB + 3, 0, 70_000)]
    parts = [await a_part(sara, content) for content in contents]
    head = await sara.head(parts[0])
    assert head.headers["Upload-Concat"] == "partial"
    assert head.headers["Upload-Length"] == str(MIB + 3)
    assert (await sara.get(link(links, parts[0], reader))).status == 404, "a part is no file"
    described = {"Upload-Metadata": metadata(filename="a.png", filetype="image/png")}
    addresses = [sara.base + parts[0], parts[1], f"https://host/behind/proxy{parts[2]}"]
    answer = await final(sara, *addresses, **described)
    assert answer.status == 201, answer
    path = answer.headers["Location"]
    assert [file.read_bytes() for file in files_in(settings)] == [b"".join(contents)]
    head = await sara.head(path)
    assert head.headers["Upload-Concat"] == f"final;{' '.join(addresses)}"
    assert head.headers["Upload-Length"] == head.headers["Upload-Offset"]
    download = await sara.get(link(links, path, reader))
    assert (download.headers["Content-Type"], download.body) == ("image/png", b"".join(contents))
    again = await final(sara, *addresses, **described)
    assert again.headers["Location"] == path, "a lost answer can be asked for again"
    assert (await sara.patch(path, 0, b"x")).code == "forbidden"
    assert (await sara.head(parts[0])).status == 404


def link(links: MediaLinks, path: str, reader: UserId) -> str:
    return links.mint(MediaId(path.rpartition("/")[2]), reader)[0]


async def test_a_final_upload_of_what_is_not_whole_not_theirs_or_no_part_is_refused(
    sara: TusCaller, omid: TusCaller, settings: Settings
) -> None:
    whole = await a_part(sara, b"whole")
    begun = await sara.create(5, **{"Upload-Concat": "partial"})
    refused = {
        begun: (409, "wrong_state"),
        await a_part(omid, b"his"): (404, "upload_not_found"),
        f"/v1/uploads/{'a' * 22}": (404, "upload_not_found"),
        "/v1/uploads/" + await sara.upload(b"no part"): (404, "upload_not_found"),
    }
    for part, (status, code) in refused.items():
        answer = await final(sara, whole, part)
        assert (answer.status, answer.code) == (status, code)
    answer = await final(sara, whole, **{"Content-Type": OCTETS})
    assert answer.status == 403, "its bytes are those of its parts"
    assert len(files_in(settings)) == 4
    assert (await sara.patch(begun, 0, b"later")).status == 204
    assert (await final(sara, begun, whole, whole)).status == 201


async def test_a_part_expires_even_if_it_is_finished(
    sara: TusCaller, settings: Settings, clock: FakeClock, people: People
) -> None:
    path = await a_part(sara, b"part")
    clock.advance(settings.media.upload_expiry_s + 1)
    fresh = await people.another_device(sara.person.user)
    async with TusCaller.open(sara.base, fresh) as later:
        assert (await later.head(path)).status == 410
        assert (await final(later, path)).status in {404, 410}


# --- types ---------------------------------------------------------------------------------------


async def test_a_type_that_the_operator_refuses_is_refused_at_creation(
    settings: Settings, clock: FakeClock, people: People
) -> None:
    strict = replace(settings.media, refused_types=("video/*", "application/x-msdownload"))
    async with (
        media_role(settings.model_copy(update={"media": strict}), clock) as base,
        TusCaller.open(base, await people.new()) as sara,
    ):
        for kind in ("video/mp4", "application/x-msdownload"):
            described = metadata(filename="a", filetype=kind)
            headers = {"Upload-Length": "5", "Upload-Metadata": described}
            answer = await sara.ask("POST", "/v1/uploads", headers)
            assert (answer.status, answer.code) == (415, "file_type_refused")
            assert "پرونده" in answer.members["titles"]["fa"]
        assert await sara.upload(b"image", content_type="image/png")
        assert not [file for file in files_in(settings) if file.stat().st_size != 5]


async def test_bytes_recorded_before_the_cut_survive_it(
    sara: TusCaller, database: Database
) -> None:
    path = await deferred(sara)
    connection = await RawUpload.begin(sara, path, 0, None)
    await connection.send(b"3\r\nabc\r\n")
    await until_writing(database, sara, path)
    connection.abort()
    assert await until_recorded(database, sara, path, 3) == 3
