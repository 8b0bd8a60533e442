"""tus 1.0.0, rule by rule: what each request answers, and what each wrong one does."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from hodhod_server.settings import Settings
from tests.clock import FakeClock
from tests.people import People
from tests.tus_caller import OCTETS, TusCaller, metadata


def files_in(settings: Settings) -> list[Path]:
    return [path for path in settings.media.directory.rglob("*") if path.is_file()]


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


# --- options -------------------------------------------------------------------------------------


async def test_options_tells_versions_extensions_and_the_largest_size(
    sara: TusCaller, settings: Settings
) -> None:
    for headers in ({}, {"Tus-Resumable": None, "Authorization": None}):
        answer = await sara.ask("OPTIONS", "/v1/uploads", headers)
        assert answer.status == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Tus-Max-Size"] == str(settings.media.upload_bytes_max)
        extensions = set(answer.headers["Tus-Extension"].split(","))
        assert extensions == {
            *("creation", "creation-with-upload", "creation-defer-length"),
            *("checksum", "concatenation", "expiration", "termination"),
        }
        assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,crc32c"


@pytest.mark.parametrize("path", ["/v1/uploads", f"/v1/uploads/{'a' * 22}"])
async def test_a_browser_of_any_site_may_upload(sara: TusCaller, path: str) -> None:
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "PATCH"}
    answer = await sara.ask("OPTIONS", path, asked)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    asked_of_pieces = ("authorization", "tus-resumable", "upload-offset", "upload-checksum")
    asked_of_creations = ("upload-metadata", "upload-length", "upload-defer-length")
    for name in (*asked_of_pieces, *asked_of_creations, "upload-concat"):
        assert name in allowed
    refused = await sara.ask("HEAD", f"/v1/uploads/{'a' * 22}")
    assert refused.status == 404
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert "Upload-Offset" in refused.headers["Access-Control-Expose-Headers"]


# --- version and method --------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", ""])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
async def test_another_version_is_refused_with_ours(
    sara: TusCaller, method: str, version: str | None
) -> None:
    path = "/v1/uploads" if method == "POST" else await sara.create(5)
    answer = await sara.ask(method, path, {"Tus-Resumable": version, "Upload-Length": "5"})
    assert answer.status == 412
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Resumable"] == "1.0.0"


async def test_a_method_can_be_overridden(sara: TusCaller) -> None:
    path = await sara.create(3)
    head = await sara.ask("POST", path, {"X-HTTP-Method-Override": "HEAD"})
    assert (head.status, head.offset) == (200, 0)
    always = {"Upload-Offset": "0", "Content-Type": OCTETS}
    patch = await sara.ask("POST", path, {**always, "X-HTTP-Method-Override": "PATCH"}, b"abc")
    assert (patch.status, patch.offset) == (204, 3)
    delete = await sara.ask("POST", path, {"X-HTTP-Method-Override": "DELETE"})
    assert delete.status == 204


async def test_other_methods_are_refused_with_those_allowed(sara: TusCaller) -> None:
    path = await sara.create(3)
    for method in ("GET", "PUT", "POST"):
        answer = await sara.ask(method, path)
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "DELETE, HEAD, OPTIONS, PATCH"


async def test_without_a_token_there_is_nothing(sara: TusCaller) -> None:
    path = await sara.create(3)
    for method, target in (("POST", "/v1/uploads"), ("PATCH", path), ("DELETE", path)):
        for token in (None, "Bearer nonsense"):
            answer = await sara.ask(method, target, {"Authorization": token, "Upload-Length": "3"})
            assert (answer.status, answer.code) == (401, "unauthenticated")


# --- creation ------------------------------------------------------------------------------------


async def test_a_new_upload_has_an_address_an_end_and_no_bytes(
    sara: TusCaller, settings: Settings, clock: FakeClock
) -> None:
    described = metadata(filename="سفر.mp4", filetype="video/mp4")
    answer = await sara.ask(
        "POST", "/v1/uploads", {"Upload-Length": "1000", "Upload-Metadata": described}
    )
    assert answer.status == 201
    expires_at = parsedate_to_datetime(answer.headers["Upload-Expires"])
    assert (expires_at - clock.now()).total_seconds() == settings.media.upload_expiry_s
    head = await sara.head(answer.headers["Location"])
    assert head.status == 200
    assert head.headers["Cache-Control"] == "no-store"
    assert head.headers["Upload-Length"] == "1000"
    assert head.headers["Upload-Metadata"] == described
    assert head.headers["Upload-Expires"] == answer.headers["Upload-Expires"]
    assert head.offset == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upload-Length": ""},
        {"Upload-Length": "-1"},
        {"Upload-Length": "1e3"},
        {"Upload-Length": "٥"},
        {"Upload-Length": "9" * 400},
        {"Upload-Defer-Length": "2"},
        {"Upload-Defer-Length": "1", "Upload-Length": "5"},
        {"Upload-Concat": "partial"},
        {"Upload-Concat": "whole", "Upload-Length": "5"},
        {"Upload-Concat": "final;"},
        {"Upload-Concat": "final;/v1/uploads/short"},
        {"Upload-Concat": f"final;/v1/uploads/{'a' * 22}", "Upload-Length": "5"},
        {"Upload-Concat": f"final;{' '.join(['/v1/uploads/' + 'a' * 22] * 65)}"},
        {"Upload-Length": "5", "Upload-Metadata": "filename !!!"},
        {"Upload-Length": "5", "Upload-Metadata": "filename YQ==,filename Yg=="},
        {"Upload-Length": "5", "Upload-Metadata": "filename YQ==,,x Yg=="},
        {"Upload-Length": "5", "Upload-Metadata": "filename /w=="},
        {"Upload-Length": "5", "Upload-Metadata": "x " + "YWFh" * 1100},
    ],
)
async def test_a_creation_that_is_not_well_formed_is_refused(
    sara: TusCaller, headers: dict[str, str], settings: Settings
) -> None:
    answer = await sara.ask("POST", "/v1/uploads", headers)
    assert (answer.status, answer.code) == (400, "malformed")
    assert not files_in(settings)


async def test_a_key_without_a_value_and_an_empty_header_are_fine(sara: TusCaller) -> None:
    for described in ("", "is_confidential", "filename YQ==, relativePath"):
        assert await sara.create(5, **{"Upload-Metadata": described})


async def test_a_file_over_the_limit_is_refused(sara: TusCaller, settings: Settings) -> None:
    length = str(settings.media.upload_bytes_max + 1)
    answer = await sara.ask("POST", "/v1/uploads", {"Upload-Length": length})
    assert (answer.status, answer.code) == (413, "too_large")
    assert answer.members["upload_bytes_max"] == settings.media.upload_bytes_max


async def test_an_empty_file_is_finished_when_it_is_announced(sara: TusCaller) -> None:
    path = await sara.create(0)
    head = await sara.head(path)
    assert (head.offset, head.headers["Upload-Length"]) == (0, "0")
    assert "Upload-Expires" not in head.headers


async def test_the_first_bytes_may_come_with_the_creation(sara: TusCaller) -> None:
    answer = await sara.ask(
        "POST", "/v1/uploads", {"Upload-Length": "10", "Content-Type": OCTETS}, b"first"
    )
    assert (answer.status, answer.offset) == (201, 5)
    path = answer.headers["Location"]
    assert (await sara.patch(path, 5, b"later")).offset == 10
    whole = await sara.ask(
        "POST", "/v1/uploads", {"Upload-Length": "5", "Content-Type": OCTETS}, b"whole"
    )
    assert (whole.status, whole.offset) == (201, 5)
    assert "Upload-Expires" not in whole.headers


async def test_a_creation_with_more_bytes_than_announced_is_refused(
    sara: TusCaller, settings: Settings
) -> None:
    headers = {"Upload-Length": "3", "Content-Type": OCTETS}
    answer = await sara.ask("POST", "/v1/uploads", headers, b"four")
    assert (answer.status, answer.code) == (413, "too_large")
    assert not files_in(settings)
    unannounced = await sara.ask("POST", "/v1/uploads", headers, pieces(b"fo", b"ur"))
    assert unannounced.status == 413
    assert (await sara.head(unannounced.headers["Location"])).offset == 3


async def test_uploads_that_somebody_begins_and_leaves_have_a_limit(
    sara: TusCaller, omid: TusCaller, settings: Settings
) -> None:
    for _ in range(settings.media.unfinished_per_user_max - 1):
        path = await sara.create(1)
    assert (await sara.patch(path, 0, b"x")).status == 204
    for _ in range(2):
        answer = await sara.ask("POST", "/v1/uploads", {"Upload-Length": "1"})
    assert answer.status == 201
    answer = await sara.ask("POST", "/v1/uploads", {"Upload-Length": "1"})
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert answer.headers["Retry-After"] == "60"
    assert await omid.create(1)


# --- pieces --------------------------------------------------------------------------------------


async def test_pieces_follow_one_another_until_the_file_is_whole(
    sara: TusCaller, settings: Settings, clock: FakeClock
) -> None:
    content = os.urandom(100_000)
    path = await sara.create(len(content))
    clock.advance(60)
    first = await sara.patch(path, 0, content[:70_000])
    assert (first.status, first.offset, first.body) == (204, 70_000, b"")
    expires_at = parsedate_to_datetime(first.headers["Upload-Expires"])
    assert (expires_at - clock.now()).total_seconds() == settings.media.upload_expiry_s
    assert (await sara.head(path)).offset == 70_000
    last = await sara.patch(path, 70_000, pieces(content[70_000:70_001], content[70_001:]))
    assert (last.status, last.offset) == (204, 100_000)
    assert "Upload-Expires" not in last.headers
    assert [file.read_bytes() for file in files_in(settings)] == [content]


async def test_an_empty_piece_changes_nothing(sara: TusCaller) -> None:
    path = await sara.create(5)
    assert (await sara.patch(path, 0, b"")).offset == 0
    assert (await sara.head(path)).offset == 0


@pytest.mark.parametrize("offset", [0, 2, 4, 5, 2**53 - 1])
async def test_a_piece_for_another_offset_is_refused_with_the_right_one(
    sara: TusCaller, offset: int
) -> None:
    path = await sara.create(5)
    await sara.patch(path, 0, b"abc")
    answer = await sara.patch(path, offset, b"x")
    assert (answer.status, answer.code) == (409, "offset_mismatch")
    assert answer.members["offset"] == 3
    assert (await sara.head(path)).offset == 3


@pytest.mark.parametrize("offset", [None, "", "-1", "0x0", "0 0", "+0", "zero", "9" * 17])
async def test_an_offset_that_is_no_number_is_refused(sara: TusCaller, offset: str | None) -> None:
    path = await sara.create(5)
    headers = {"Upload-Offset": offset, "Content-Type": OCTETS}
    answer = await sara.ask("PATCH", path, headers, b"abc")
    assert (answer.status, answer.code) == (400, "malformed")


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "text/plain"])
async def test_a_piece_of_another_type_is_refused(
    sara: TusCaller, content_type: str | None
) -> None:
    path = await sara.create(5)
    headers = {"Upload-Offset": "0", "Content-Type": content_type}
    answer = await sara.ask("PATCH", path, headers, b"abc")
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_compressed_piece_is_refused(sara: TusCaller) -> None:
    path = await sara.create(50)
    answer = await sara.patch(path, 0, b"\x1f\x8b" + bytes(30), **{"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")
    assert (await sara.head(path)).offset == 0


async def test_of_a_piece_that_is_known_to_be_too_long_nothing_is_taken(sara: TusCaller) -> None:
    path = await sara.create(5)
    answer = await sara.patch(path, 0, b"sixsix")
    assert (answer.status, answer.code) == (413, "too_large")
    assert (await sara.head(path)).offset == 0


async def test_of_a_piece_that_turns_out_too_long_what_fits_is_kept(
    sara: TusCaller, settings: Settings
) -> None:
    path = await sara.create(5)
    answer = await sara.patch(path, 0, pieces(b"abc", b"def"))
    assert (answer.status, answer.code) == (413, "too_large")
    assert (await sara.head(path)).offset == 5
    assert [file.read_bytes() for file in files_in(settings)] == [b"abcde"]


async def test_a_finished_upload_takes_nothing_more_and_still_answers(sara: TusCaller) -> None:
    path = await sara.create(3)
    await sara.patch(path, 0, b"abc")
    for body in (b"", b"d"):
        again = await sara.patch(path, 3, body)
        assert (again.status, again.code) == (409, "wrong_state")
    assert (await sara.patch(path, 0, b"abc")).code == "offset_mismatch"
    head = await sara.head(path)
    assert (head.status, head.offset) == (200, 3)


# --- owners, ends --------------------------------------------------------------------------------


async def test_other_peoples_uploads_do_not_exist(sara: TusCaller, omid: TusCaller) -> None:
    path = await sara.create(5)
    for foreign in (path, f"/v1/uploads/{'x' * 22}"):
        assert (await omid.head(foreign)).status == 404
        patch, delete = await omid.patch(foreign, 0, b"a"), await omid.ask("DELETE", foreign)
        assert (patch.status, patch.code) == (404, "upload_not_found")
        assert (delete.status, delete.code) == (404, "upload_not_found")
    assert (await sara.head(path)).offset == 0


async def test_the_same_person_goes_on_from_another_device(sara: TusCaller, people: People) -> None:
    path = await sara.create(5)
    other = await people.another_device(sara.person.user)
    async with TusCaller.open(sara.base, replace(sara.person, token=other.token)) as phone:
        assert (await phone.patch(path, 0, b"abcde")).status == 204


@pytest.mark.parametrize(
    "path", ["/v1/uploads/short", f"/v1/uploads/{'a' * 21}%00", "/v1/uploads/"]
)
async def test_an_address_that_was_never_given_is_not_found(sara: TusCaller, path: str) -> None:
    assert (await sara.head(path)).status == 404


@pytest.mark.parametrize("sent", [0, 3, 5])
async def test_a_terminated_upload_is_gone_with_its_bytes(
    sara: TusCaller, settings: Settings, sent: int
) -> None:
    path = await sara.create(5)
    await sara.patch(path, 0, b"abcde"[:sent])
    answer = await sara.ask("DELETE", path)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert not files_in(settings)
    assert (await sara.head(path)).status == 404
    assert (await sara.patch(path, sent, b"")).code == "upload_not_found"
    assert (await sara.ask("DELETE", path)).code == "upload_not_found"


async def test_an_upload_that_nobody_touched_in_time_has_expired(
    sara: TusCaller, settings: Settings, clock: FakeClock, people: People
) -> None:
    path, finished = await sara.create(5), await sara.create(1)
    await sara.patch(finished, 0, b"x")
    clock.advance(settings.media.upload_expiry_s - 1)
    fresh = await people.another_device(sara.person.user)
    async with TusCaller.open(sara.base, fresh) as later:
        assert (await later.patch(path, 0, b"ab")).status == 204
    clock.advance(settings.media.upload_expiry_s)
    fresh = await people.another_device(sara.person.user)
    async with TusCaller.open(sara.base, fresh) as latest:
        assert (await latest.head(path)).status == 410
        patch = await latest.patch(path, 2, b"c")
        assert (patch.status, patch.code) == (410, "upload_expired")
        assert (await latest.head(finished)).status == 200
