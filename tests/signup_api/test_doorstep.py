"""The doorstep: refusals before aiohttp, and all else as it was."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from hodhod_server.domain.clock import SystemClock
from hodhod_server.domain.errors import Overloaded
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.load import Level
from hodhod_server.domain.phone import parse_phone
from hodhod_server.services.admission import AT_THE_DOOR, Gate
from hodhod_server.services.gatekeeper import Admitted, Attempt, Gatekeeper
from hodhod_server.services.waiting_room import WaitingRoom
from hodhod_server.settings import DoorSettings, ListenSettings
from hodhod_server.signup_api.doorstep import add_doorstep
from hodhod_server.web.serving import new_app, serve
from tests.doors import SetPace
from tests.free_ports import free_port
from tests.newcomers import some_phone

KEY = "A" * 43
PHONE = "+989121234567"


class Weight:
    """A load that a test sets."""

    level = Level.CALM


class Scene(NamedTuple):
    port: int
    weight: Weight
    pace: SetPace
    room: WaitingRoom
    gatekeeper: Gatekeeper

    def fill(self) -> None:
        """Two hours until somebody who comes now has a code."""
        self.pace.now_waits_s = 7_200.0
        self.room.tick(SystemClock().now().timestamp())


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@pytest.fixture
async def scene(keys: Keys) -> AsyncIterator[Scene]:
    weight, pace, settings = Weight(), SetPace(), DoorSettings()
    room = WaitingRoom(settings, keys.ticket, pace, Random(1))
    gatekeeper = Gatekeeper(settings, keys, SystemClock(), room)
    app = new_app()

    async def start(request: web.Request) -> web.Response:
        return web.json_response({"behind": True, "bytes": len(await request.read())}, status=201)

    app.router.add_post("/v1/signup", start)
    app.router.add_get("/v1/else", start)
    add_doorstep(app, Gate(weight, AT_THE_DOOR), gatekeeper)
    port = free_port()
    async with serve(app, ListenSettings(port=port)):
        yield Scene(port, weight, pace, room, gatekeeper)


def request(*, line: str = "POST /v1/signup", headers: str = "", **told: Any) -> bytes:
    body = json.dumps({"phone": PHONE, "device": {"name": "a", "platform": "b"}, **told}).encode()
    head = f"{line} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Line:
    """A connection on which bytes are said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, *pieces: bytes) -> Reply:
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(0.05)
            self.writer.write(piece)
        return await self.read()

    async def read(self) -> Reply:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in head[1:])
        }
        body = json.loads(await self._reader.readexactly(int(headers["content-length"])))
        return Reply(int(head[0].split()[1]), headers, body)


@contextlib.asynccontextmanager
async def connected(scene: Scene) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


async def test_with_room_for_all_everything_is_behind_it(scene: Scene) -> None:
    async with connected(scene) as line:
        assert (await line.ask(request())).body["behind"]
        assert (await line.ask(request(line="GET /v1/else"))).body["behind"]


async def test_while_the_process_is_strained_newcomers_are_told_so_and_may_come_again(
    scene: Scene,
) -> None:
    scene.weight.level = Level.STRAINED
    async with connected(scene) as line:
        for headers, title in (("", "en"), ("Accept-Language: fa-IR\r\n", "fa")):
            refused = await line.ask(request(headers=headers))
            assert refused.status == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.body["code"] == "overloaded"
            assert refused.body["title"] == refused.body["titles"][title]
            assert refused.body["request_id"] == refused.headers["x-request-id"]
            assert int(refused.headers["retry-after"]) >= 1
        assert (await line.ask(request(line="GET /v1/else"))).body["behind"], "the same connection"
    scene.weight.level = Level.CALM
    async with connected(scene) as line:
        assert (await line.ask(request())).status == 201


async def test_a_full_room_is_told_of_to_strangers_only(scene: Scene, keys: Keys) -> None:
    phone, key = parse_phone(some_phone()), b"\0" * 32
    admitted = await scene.gatekeeper.admit(Attempt(phone=phone, device_key=key))
    assert isinstance(admitted, Admitted)
    scene.fill()
    device = {"name": "a", "platform": "b", "public_key": KEY}
    async with connected(scene) as line:
        full = await line.ask(request(device=device))
        assert (full.status, full.body["code"]) == (503, "overloaded")
        assert full.body["retry_after"] >= 100
        again = await line.ask(request(device=device, phone=phone.e164))
        assert again.status == 201, "their code is on its way"
    for papers in ({"ticket": "a"}, {"invite": "a"}, {"phone": 7}, {"phone": "nobody"}):
        async with connected(scene) as line:
            assert (await line.ask(request(**papers))).status == 201, papers


async def test_nobody_is_asked_to_pay_for_a_place_that_is_not_there(scene: Scene) -> None:
    scene.fill()
    assert scene.room.is_open, "which alone has a price"
    with pytest.raises(Overloaded):
        await scene.gatekeeper.admit(Attempt(phone=parse_phone(PHONE), device_key=b"\0" * 32))


async def test_what_comes_in_pieces_or_in_pairs_is_aiohttps(scene: Scene) -> None:
    scene.weight.level = Level.STRAINED
    whole = request()
    async with connected(scene) as line:
        assert (await line.ask(whole[:40], whole[40:])).status == 201
    async with connected(scene) as line:
        assert (await line.ask(whole + whole)).status == 201
        assert (await line.read()).status == 201
    async with connected(scene) as line:
        line.writer.write_eof()  # and nothing is left of it
