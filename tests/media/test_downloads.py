"""Downloads: whole files, ranges of them, conditions, and the links that open them."""

from __future__ import annotations

import os
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest

from hodhod_server import app
from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.domain.keys import Keys
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.settings import ListenSettings, Settings
from hodhod_server.web.serving import serve
from tests.clock import FakeClock
from tests.free_ports import free_port
from tests.people import People
from tests.tus_caller import TusCaller

CONTENT = os.urandom(600_000)


@pytest.fixture
async def url(sara: TusCaller, links: MediaLinks, reader: UserId) -> str:
    """A link to a picture of 600,000 bytes."""
    media_id = await sara.upload(CONTENT, "کوه.jpg", "image/jpeg")
    return links.mint(MediaId(media_id), reader)[0]


def changed(url: str, **members: str) -> str:
    """The link with parts of its query replaced."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | members
    return parts._replace(query=urlencode(query)).geturl()


# --- whole files ---------------------------------------------------------------------------------


async def test_a_finished_upload_is_there_for_whoever_has_the_link(
    omid: TusCaller, url: str, settings: Settings
) -> None:
    answer = await omid.get(url)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Length"] == "600000"
    assert answer.headers["Accept-Ranges"] == "bytes"
    expected = f"private, max-age={settings.media.link_s}, immutable"
    assert answer.headers["Cache-Control"] == expected
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_head_tells_the_same_without_the_bytes(omid: TusCaller, url: str) -> None:
    get, path = await omid.get(url), url.removeprefix(omid.base)
    for headers in ({}, {"Range": "bytes=0-9"}):
        head = await omid.ask("HEAD", path, headers)
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition"):
            assert head.headers[name] == get.headers[name]


async def test_an_empty_file_is_a_file(sara: TusCaller, links: MediaLinks, reader: UserId) -> None:
    url, _ = links.mint(MediaId(await sara.upload(b"", "empty.txt", "text/plain")), reader)
    answer = await sara.get(url)
    assert (answer.status, answer.body) == (200, b"")
    assert (await sara.get(url, Range="bytes=0-")).status == 416


async def test_only_finished_uploads_are_files(
    sara: TusCaller, links: MediaLinks, reader: UserId
) -> None:
    path = await sara.create(5)
    await sara.patch(path, 0, b"abcd")
    url, _ = links.mint(MediaId(path.rpartition("/")[2]), reader)
    answer = await sara.get(url)
    assert (answer.status, answer.code) == (404, "media_not_found")
    await sara.patch(path, 4, b"e")
    assert (await sara.get(url)).body == b"abcde"
    await sara.ask("DELETE", path)
    assert (await sara.get(url)).code == "media_not_found"


async def test_a_file_whose_bytes_are_gone_is_not_found(
    sara: TusCaller, url: str, settings: Settings
) -> None:
    for path in settings.media.directory.rglob("*"):
        if path.is_file():
            path.unlink()
    answer = await sara.get(url)
    assert (answer.status, answer.code) == (404, "media_not_found")


async def test_a_file_that_is_too_short_is_cut_off_and_never_ended_well(
    sara: TusCaller, url: str, settings: Settings
) -> None:
    for path in settings.media.directory.rglob("*"):
        if path.is_file():
            os.truncate(path, 400_000)
    with pytest.raises(aiohttp.ClientPayloadError):
        await sara.get(url)


async def test_more_readers_than_a_process_can_hold_are_told_to_wait(
    settings: Settings, clock: FakeClock, keys: Keys, people: People, reader: UserId
) -> None:
    changed = replace(settings.media, readers_max=1)
    few = settings.model_copy(update={"media": changed})
    listen = ListenSettings(port=free_port())
    async with (
        app.media(few, clock) as parts,
        serve(parts.app, listen),
        TusCaller.open(f"http://127.0.0.1:{listen.port}", await people.new()) as sara,
        aiohttp.ClientSession() as session,
    ):
        media_id = MediaId(await sara.upload(os.urandom(12_000_000)))
        links = MediaLinks(keys.media_link, clock, link_s=60, base_url=sara.base)
        url, _ = links.mint(media_id, reader)
        async with session.get(url) as slow:
            assert slow.status == 200
            answer = await sara.get(url)
            assert (answer.status, answer.code) == (503, "overloaded")
            assert len(await slow.read()) == 12_000_000
        assert (await sara.get(url)).status == 200


# --- ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=300000-300999", 300_000, 301_000),
        ("bytes=599999-", 599_999, 600_000),
        ("bytes=0-", 0, 600_000),
        ("bytes=599990-700000", 599_990, 600_000),
        ("bytes=-10", 599_990, 600_000),
        ("bytes=-700000", 0, 600_000),
        ("Bytes = 5 - 9", 5, 10),
    ],
)
async def test_a_range_is_answered_with_those_bytes(
    sara: TusCaller, url: str, asked: str, start: int, stop: int
) -> None:
    answer = await sara.get(url, Range=asked)
    assert (answer.status, answer.body) == (206, CONTENT[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/600000"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=600000-", "bytes=600000-600001", "bytes=-0"])
async def test_a_range_beyond_the_end_is_refused_with_the_size(
    sara: TusCaller, url: str, asked: str
) -> None:
    answer = await sara.get(url, Range=asked)
    assert (answer.status, answer.code) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == "bytes */600000"
    assert answer.members["size"] == 600_000


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-9", "bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "", "bytes=0-" + "9" * 500],
)
async def test_what_is_not_one_range_of_bytes_is_answered_with_everything(
    sara: TusCaller, url: str, asked: str
) -> None:
    answer = await sara.get(url, Range=asked)
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_part_is_sent_only_of_the_file_that_the_client_began(
    sara: TusCaller, url: str
) -> None:
    whole = await sara.get(url)
    for same in (whole.headers["ETag"], whole.headers["Last-Modified"]):
        part = await sara.get(url, Range="bytes=5-9", **{"If-Range": same})
        assert (part.status, part.body) == (206, CONTENT[5:10])
    weak, older = f"W/{whole.headers['ETag']}", "Sat, 01 Jan 2022 00:00:00 GMT"
    for other in ('"another"', weak, older, "nonsense"):
        answer = await sara.get(url, Range="bytes=5-9", **{"If-Range": other})
        assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_client_that_has_the_file_is_told_so(
    sara: TusCaller, url: str, clock: FakeClock
) -> None:
    whole = await sara.get(url)
    later = "Sun, 22 Mar 2026 12:00:00 GMT"
    for headers in (
        {"If-None-Match": whole.headers["ETag"]},
        {"If-None-Match": f'"other", W/{whole.headers["ETag"]}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": whole.headers["Last-Modified"]},
        {"If-Modified-Since": later},
    ):
        answer = await sara.get(url, **headers)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == whole.headers["ETag"]
    for headers in (
        {"If-None-Match": '"other"'},
        {"If-None-Match": '"other"', "If-Modified-Since": later},
        {"If-Modified-Since": "Sat, 01 Jan 2022 00:00:00 GMT"},
    ):
        assert (await sara.get(url, **headers)).status == 200


async def test_a_browser_of_any_site_may_ask_for_ranges(sara: TusCaller, url: str) -> None:
    answer = await sara.ask("OPTIONS", url.removeprefix(sara.base), {"Authorization": None})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Range" in answer.headers["Access-Control-Allow-Headers"]


# --- links ---------------------------------------------------------------------------------------


async def test_a_link_that_was_altered_is_refused(
    sara: TusCaller, url: str, links: MediaLinks, reader: UserId
) -> None:
    other, expires_at_ms = links.mint(MediaId("o" * 22), reader)
    signature = parse_qs(urlsplit(other).query)["signature"][0]
    for wrong in (
        changed(url, user="78"),
        changed(url, expires=str(expires_at_ms + 1)),
        changed(url, signature=signature),
        changed(url, signature="é\udcff".encode("utf-8", "replace").decode()),
        url.partition("?")[0],
        url.partition("&")[0],
        url.replace("/v1/media/", "/v1/media/x"),
        other.replace("o" * 22, urlsplit(url).path.rpartition("/")[2]),
    ):
        answer = await sara.get(wrong)
        assert (answer.status, answer.code) == (403, "link_invalid")


async def test_a_link_ends(sara: TusCaller, url: str, clock: FakeClock, settings: Settings) -> None:
    clock.advance(settings.media.link_s - 1)
    assert (await sara.get(url)).headers["Cache-Control"] == "private, max-age=1, immutable"
    clock.advance(1)
    answer = await sara.get(url)
    assert (answer.status, answer.code) == (410, "link_expired")
    forged = await sara.get(changed(url, expires="9" * 15))
    assert forged.code == "link_invalid"


async def test_a_link_of_another_installation_is_refused(
    sara: TusCaller, url: str, clock: FakeClock, reader: UserId, keys: Keys
) -> None:
    foreign = MediaLinks(keys.access_token, clock, link_s=60, base_url=sara.base)
    media_id = MediaId(urlsplit(url).path.rpartition("/")[2])
    assert (await sara.get(foreign.mint(media_id, reader)[0])).code == "link_invalid"


def test_the_address_is_that_of_the_settings_or_of_the_caller(
    keys: Keys, clock: FakeClock, reader: UserId
) -> None:
    media_id = MediaId("m" * 22)
    public = MediaLinks(keys.media_link, clock, link_s=60, base_url="https://media.example/")
    url, expires_at_ms = public.mint(media_id, reader, "http://ignored")
    assert url.startswith(f"https://media.example/v1/media/{media_id}?")
    assert f"expires={expires_at_ms}" in url
    private = MediaLinks(keys.media_link, clock, link_s=60)
    assert private.mint(media_id, reader, "http://here:1")[0].startswith("http://here:1/v1/media/")
    assert private.mint(media_id, reader)[0].startswith("/v1/media/")
