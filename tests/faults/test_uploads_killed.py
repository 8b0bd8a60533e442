"""Media or PostgreSQL is killed while people upload: no finished file is lost, no offset lies, and
nothing is left behind once it has expired.

`UPLOAD_KILLS` is how many moments are tried (50 for a whole run), `UPLOAD_KILLS_SEED` which.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import asyncpg
import pytest

from tests.faults.uploader import SETTINGS, caller, expire, kill_while_uploading
from tests.running import RunningUp, running_up

KILLS = int(os.environ.get("UPLOAD_KILLS", "3"))


async def require_honest(up: RunningUp, folder: Path, begun: dict[str, bytes]) -> None:
    """What is recorded of uploads under way is on the disk, byte by byte."""
    connection = await asyncpg.connect(up.processes().database_url)
    rows = await connection.fetch(
        "SELECT * FROM uploads WHERE removed_at IS NULL AND parts IS NULL AND offset_bytes > 0"
    )
    await connection.close()
    for row in rows:
        on_disk = blob(folder, row["blob_key"]).read_bytes()[: row["offset_bytes"]]
        assert on_disk == begun[row["media_id"]][: row["offset_bytes"]]


def blob(folder: Path, key: str) -> Path:
    return folder / key[:2] / key[2:]


@pytest.mark.timeout(100 + 15 * KILLS)
async def test_uploads_survive_kills_at_random_moments() -> None:
    with running_up(extra=SETTINGS) as up:
        folder = up.data_dir / "media"
        async with caller(up) as somebody:
            people = await kill_while_uploading(up, somebody, ["media", "postgres"], KILLS)
        finished = {key: value for one in people for key, value in one.finished.items()}
        assert finished
        await require_honest(up, folder, {k: v for one in people for k, v in one.begun.items()})
        left = {row["media_id"]: row["blob_key"] for row in await expire(up)}
        assert left.keys() >= finished.keys(), "a finished upload was lost"
        for media_id, digest in finished.items():
            content = blob(folder, left[media_id]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == digest
        on_disk = {path for path in folder.rglob("*") if path.is_file()}
        assert on_disk == {blob(folder, key) for key in left.values()}, "orphans"
