"""A tus client of other people's making, unmodified."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from tusclient.client import TusClient

from hodhod_server.domain.ids import MediaId, UserId
from hodhod_server.services.media_links import MediaLinks
from tests.tus_caller import TusCaller

MIB = 1024 * 1024


def client_of(caller: TusCaller) -> TusClient:
    return TusClient(
        f"{caller.base}/v1/uploads", headers={"Authorization": caller.headers["Authorization"]}
    )


async def test_tuspy_uploads_resumes_and_the_file_is_the_same(
    sara: TusCaller, links: MediaLinks, reader: UserId, tmp_path: Path
) -> None:
    content, file = os.urandom(20 * MIB), tmp_path / "trip.mp4"
    file.write_bytes(content)

    def begin() -> str:
        described = {"filename": "سفر.mp4", "filetype": "video/mp4"}
        with file.open("rb") as stream:
            uploader: Any = client_of(sara).uploader(
                file_stream=stream, chunk_size=3 * MIB, metadata=described
            )
            uploader.upload_chunk()
            uploader.upload_chunk()
        assert isinstance(uploader.url, str)
        return uploader.url

    def resume(url: str) -> int:
        with file.open("rb") as stream:
            uploader = client_of(sara).uploader(file_stream=stream, chunk_size=5 * MIB, url=url)
            resumed_at: int = uploader.offset
            uploader.upload()
        return resumed_at

    url = await asyncio.to_thread(begin)
    assert await asyncio.to_thread(resume, url) == 6 * MIB
    answer = await sara.get(links.mint(MediaId(url.rpartition("/")[2]), reader)[0])
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.body == content
