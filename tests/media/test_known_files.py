"""A file that is here already is sent without its bytes, and nobody learns more from asking."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import msgspec

from hodhod_server.domain.ids import MediaId
from hodhod_server.services.media_links import MediaLinks
from hodhod_server.store.database import Database
from tests.tus_caller import Answer, TusCaller


async def ask(caller: TusCaller, **members: Any) -> Answer:
    return await caller.ask(
        "POST",
        "/v1/uploads/known",
        {"Content-Type": "application/json"},
        msgspec.json.encode(members),
    )


async def test_a_file_of_ones_own_is_sent_again_at_once(
    sara: TusCaller, omid: TusCaller, database: Database, links: MediaLinks
) -> None:
    data = os.urandom(100_000)
    path = await sara.upload(data, "film.mp4", "video/mp4")
    sha256 = hashlib.sha256(data)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE uploads SET sha256 = $2 WHERE media_id = $1",
            *(path.rpartition("/")[2], sha256.digest()),
        )
    content = {"sha256": sha256.hexdigest(), "length": len(data)}
    taken = await ask(sara, **content, name="../again.mp4", content_type="video/mp4")
    assert taken.status == 201
    url, _ = links.mint(MediaId(taken.members["media"]), sara.person.user)
    answer = await sara.get(url)
    assert answer.body == data
    assert "again.mp4" in answer.headers["Content-Disposition"]

    others = await ask(omid, **content)
    nobodys = await ask(omid, sha256="0" * 64, length=len(data))
    assert others.status == nobodys.status == 404
    own = {"X-Request-ID", "Date"}
    assert {name: value for name, value in others.headers.items() if name not in own} == {
        name: value for name, value in nobodys.headers.items() if name not in own
    }
    assert others.members | {"request_id": ""} == nobodys.members | {"request_id": ""}
    assert (await ask(sara, sha256="00", length=1)).code == "malformed"
