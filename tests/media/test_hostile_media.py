"""Files made to do harm: the worker outlives each, limits hold, and none is served as a page."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from hodhod_server.blobs.filesystem import open_filesystem
from hodhod_server.domain.ids import MediaId
from hodhod_server.processing.sandbox import ChildFailed, Findings, Sandbox
from hodhod_server.services.processing import NoAnnouncer, Processing
from hodhod_server.settings import ProcessingSettings, Settings
from hodhod_server.store.database import Database
from tests import recordings
from tests.clock import FakeClock
from tests.phone_photo import HEIC
from tests.tus_caller import TusCaller
from tests.viewers import Viewer, row_of

HTML = b"<html><script>alert(1)</script></html>"
SMALL = replace(ProcessingSettings(), cpu_s=4, wall_s=8.0, output_bytes_max=2**20)
NEVER = ("text/html", "image/svg", "application/xhtml", "application/javascript", "text/xml")


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG that claims its size, whatever it holds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def bomb() -> bytes:
    """A gigapixel in a few kilobytes."""
    return png(40_000, 40_000, bytes(4_000_000))


def ribbon() -> bytes:
    """A hundred thousand pixels in a row, which is no crime."""
    return png(100_000, 1, bytes(100_001))


def gif_and_script() -> bytes:
    return b"GIF89a/*" + HTML + b"*/=1;" + bytes(64)


def pdf_and_page() -> bytes:
    return b"%PDF-1.4\n" + HTML


def page_in_disguise() -> bytes:
    return HTML


def drawing_with_script() -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


def endless_gif() -> bytes:
    """Two thousand large frames of which each is nothing."""
    still = io.BytesIO()
    Image.new("P", (4000, 4000)).save(still, "GIF")
    content = still.getvalue()
    start = content.index(b"\x2c")
    return content[:start] + content[start:-1] * 2000 + b";"


def truncated_film() -> bytes:
    return recordings.film()[:-2000]


def film_of_nothing() -> bytes:
    """Its directory is cut in the middle of a table, its length kept."""
    content = bytearray(recordings.film())
    start = content.index(b"stts")
    content[start : start + 400] = b"\xff" * 400
    return bytes(content)


def nested_boxes() -> bytes:
    """Boxes in boxes, ten thousand deep."""
    depth = 10_000
    boxes = b"".join(struct.pack(">I4s", (depth - level) * 8, b"moov") for level in range(depth))
    return struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + boxes


def wrong_places() -> bytes:
    """Samples that lie beyond the end of the file."""
    content = bytearray(recordings.film())
    start = content.index(b"stco") + 12
    content[start : start + 4] = b"\x7f\xff\xff\xff"
    return bytes(content)


def zip_of_zeros() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    return packed.getvalue()


def exif_in_circles() -> bytes:
    """A directory that points at itself, and lengths that go around the world."""
    entry = struct.pack(">HHII", 0x8825, 4, 1, 8) + struct.pack(">HHII", 2, 5, 2**31, 8)
    tiff = b"MM\x00*" + struct.pack(">IH", 8, 2) + entry + struct.pack(">I", 8)
    content = b"Exif\x00\x00" + tiff
    plain = io.BytesIO()
    Image.new("RGB", (16, 16)).save(plain, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    return plain.getvalue()[:2] + segment + plain.getvalue()[2:]


def giant_heic() -> bytes:
    """Its directory claims ten gigapixels."""
    start = HEIC.index(b"ispe") + 8
    return HEIC[:start] + struct.pack(">II", 100_000, 100_000) + HEIC[start + 8 :]


def half_a_heic() -> bytes:
    return HEIC[: len(HEIC) // 2]


CORPUS: list[tuple[Callable[[], bytes], str]] = [
    (bomb, "image/png"),
    (ribbon, "image/png"),
    (gif_and_script, "image/gif"),
    (pdf_and_page, "application/pdf"),
    (page_in_disguise, "application/octet-stream"),
    (drawing_with_script, "application/octet-stream"),
    (endless_gif, "image/gif"),
    (truncated_film, "video/mp4"),
    (film_of_nothing, "video/mp4"),
    (nested_boxes, "video/mp4"),
    (wrong_places, "video/mp4"),
    (zip_of_zeros, "application/zip"),
    (exif_in_circles, "image/jpeg"),
    (giant_heic, "image/heic"),
    (half_a_heic, "image/heic"),
]


async def looked_at(tmp_path: Path, content: bytes, own: ProcessingSettings) -> Findings:
    (tmp_path / "hostile").write_bytes(content)
    with (tmp_path / "hostile").open("rb") as file:
        async with Sandbox(own, tmp_path / "scratch").looking_at(file, "image/png") as found:
            assert all(
                output.seek(0, 2) <= own.output_bytes_max for output in found.outputs.values()
            )
            return found


@pytest.mark.parametrize(
    ("make", "shown_as"), CORPUS, ids=lambda part: getattr(part, "__name__", "")
)
async def test_a_hostile_file_is_contained(
    make: Callable[[], bytes], shown_as: str, tmp_path: Path
) -> None:
    found = await looked_at(tmp_path, make(), SMALL)
    assert found.nature.content_type == shown_as
    assert not found.nature.content_type.startswith(NEVER)
    assert found.details is not None, "an ordinary end: no file of these deserves a second try"
    if make is ribbon:
        assert (found.details.width, found.details.derived[0].height) == (100_000, 1)
    if make is bomb:
        assert not found.details.derived


async def test_what_takes_too_long_or_too_much_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="slow"):
        await looked_at(tmp_path, ribbon(), replace(SMALL, wall_s=0.05))
    picture = io.BytesIO()
    Image.new("RGB", (9000, 9000)).save(picture, "PNG")
    large = await looked_at(tmp_path, picture.getvalue(), replace(SMALL, memory_bytes_max=2**28))
    assert large.details is None or large.details.problem
    assert large.failure in ("killed", "out_of_memory", "unreadable")


async def test_a_poisoned_file_is_given_up_and_that_is_said(
    settings: Settings, database: Database, clock: FakeClock, sara: TusCaller, viewer: Viewer
) -> None:
    media_id, own = await sara.upload(ribbon()), replace(settings.processing, wall_s=0.05)
    async with open_filesystem(settings.media.directory, 2**20) as blobs:
        scratch = settings.media.directory / ".scratch"
        processing = Processing(database, blobs, clock, own, scratch, NoAnnouncer())
        waits = [await processing.process(MediaId(media_id)) for _ in range(4)]
    assert waits == [5.0, 20.0, None, None]
    assert (await row_of(database, media_id))["processing"] == "refused"
    assert (await viewer.get(media_id)).code == "media_refused"
