"""Names and types chosen to do harm: kept away from headers, folders and browsers."""

from __future__ import annotations

import pytest

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.media.metadata import describe
from hodhod_server.media.presentation import disposition
from hodhod_server.services.media_links import MediaLinks
from tests.tus_caller import TusCaller, metadata


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("trip.mp4", "trip.mp4"),
        ("می‌خواهم سفر.mp4", "می‌خواهم سفر.mp4"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("/", "file"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        (" \t ", "file"),
        ("a\r\nSet-Cookie: x=1\r\n\r\n<html>.txt", "aSet-Cookie: x=1<html>.txt"),
        ("nul\x00.txt", "nul.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2067x\u2069.txt", "x.txt"),
        (".htaccess", ".htaccess"),
        ("ن" * 300 + ".mp4", "ن" * 251 + ".mp4"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_keeps_its_letters_and_loses_what_is_not_a_name(sent: str, kept: str) -> None:
    assert describe(metadata(filename=sent)).name == kept


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("video/mp4", "video/mp4"),
        ("Image/PNG", "image/png"),
        ("text/plain; charset=utf-7", "text/plain"),
        ("", "application/octet-stream"),
    ],
)
def test_a_type_is_kept_without_its_parameters(sent: str, kept: str) -> None:
    assert describe(metadata(filetype=sent)).content_type == kept


@pytest.mark.parametrize(
    "sent", ["html", "text/", "/html", "text/html\r\nX: y", "a/b/c", "text/نما", "a" * 64 + "/b"]
)
def test_a_type_that_is_none_is_refused(sent: str) -> None:
    with pytest.raises(Malformed):
        describe(metadata(filetype=sent))


@pytest.mark.parametrize("key", ["", "نام", "a\x7f", "tab\tkey"])
def test_a_key_that_is_not_visible_ascii_is_refused(key: str) -> None:
    with pytest.raises(Malformed):
        describe(f"x YQ==,{key}")


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("image/jpeg", "image/jpeg"),
        ("video/mp4", "video/mp4"),
        ("audio/ogg", "audio/ogg"),
        ("text/plain", "text/plain; charset=utf-8"),
    ],
)
async def test_pictures_sound_film_and_text_are_shown(
    sara: TusCaller, links: MediaLinks, reader: UserId, kind: str, shown: str
) -> None:
    url, _ = links.mint(MediaId(await sara.upload(b"x", "a", kind)), reader)
    answer = await sara.get(url)
    assert answer.headers["Content-Type"] == shown
    assert answer.headers["Content-Disposition"].startswith("inline;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "image/svg+xml",
        "application/xhtml+xml",
        "application/xml",
        "text/javascript",
        "application/pdf",
        "multipart/x-mixed-replace",
        "x/y",
    ],
)
async def test_everything_else_is_a_download_without_a_type(
    sara: TusCaller, links: MediaLinks, reader: UserId, kind: str
) -> None:
    page = b"<script>alert(1)</script>"
    url, _ = links.mint(MediaId(await sara.upload(page, "a.html", kind)), reader)
    answer = await sara.get(url)
    assert answer.body == page
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"),
        ('q"\\;.txt', "attachment; filename=\"q__;.txt\"; filename*=UTF-8''q%22%5C%3B.txt"),
        ("سفر.mp4", "attachment; filename=\"___.mp4\"; filename*=UTF-8''%D8%B3%D9%81%D8%B1.mp4"),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
        ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ],
)
def test_a_name_travels_in_a_header_as_rfc_8187_wants(name: str, header: str) -> None:
    assert disposition("attachment", name) == header


async def test_a_hostile_name_reaches_the_reader_as_a_name(
    sara: TusCaller, links: MediaLinks, reader: UserId
) -> None:
    media_id = await sara.upload(b"x", "../a\r\nX-Evil: 1\r\n.png", "image/png")
    answer = await sara.get(links.mint(MediaId(media_id), reader)[0])
    assert "X-Evil" not in answer.headers
    assert answer.headers["Content-Disposition"] == disposition("inline", "aX-Evil: 1.png")
