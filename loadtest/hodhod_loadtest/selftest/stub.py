"""What a sign-up server says, and nothing behind it; a process of its own on a core of its own.

Codes are texted over HTTP at the carrier that the generator opened, so a journey costs the
generator what it costs in a wave. Prints its port, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from typing import Any, Final

import msgspec
import uvloop

from hodhod_loadtest.http.client import Client
from hodhod_loadtest.http.routes import Route, Routes
from hodhod_loadtest.http.server import BACKLOG, Reply, Request, json_reply, serve
from hodhod_loadtest.selftest.gateway_stub import Idle

TEXTING: Final = (
    b"POST /first/key/verify/lookup.json HTTP/1.1\r\nHost: stub\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
)
LET_IN: Final = json_reply(200, {"user": 1, "access_token": "t" * 40, "refresh_token": "r" * 40})
FREE: Final = json_reply(200, {})


class Stub:
    """Challenges that are known by their number. `carrier`: "" where nothing is texted."""

    def __init__(self, client: Client, carrier: str) -> None:
        self._carrier = client.peer(carrier) if carrier else None
        self._numbers = itertools.count(1)
        self._following: dict[str, asyncio.Future[Reply]] = {}

    @property
    def routes(self) -> Routes:
        """As a handler."""
        return Routes(
            [
                Route("GET", "/free", lambda _: FREE),
                Route("POST", "/v1/signup", self._start),
                Route("GET", "/v1/signup/*", self._follow),
                Route("POST", "/v1/signup/*/verify", self._verify),
            ]
        )

    def _start(self, request: Request) -> Reply:
        number = str(next(self._numbers))
        if self._carrier is not None:
            form = b"receptor=%b&token=123456&template=1" % request.json["phone"].encode()
            self._carrier.ask(TEXTING % (len(form), form))
        return json_reply(201, {**_told(number, 1, "waiting"), "secret": "s" * 43})

    def _follow(self, request: Request) -> Reply | asyncio.Future[Reply]:
        number = request.path.rpartition("/")[2]
        if request.query["after"] == "1":
            return json_reply(200, {**_told(number, 2, "sent"), "sent_at": 1})
        following = self._following[number] = asyncio.get_running_loop().create_future()
        return following

    def _verify(self, request: Request) -> Reply:
        number = request.path.split("/")[3]
        following = self._following.pop(number, None)
        if following is not None:
            following.set_result(json_reply(200, _told(number, 3, "verified")))
        return LET_IN


def _told(number: str, version: int, state: str) -> dict[str, Any]:
    return {
        "id": number,
        "version": version,
        "state": state,
        "channel": "sms",
        "sent_at": None,
        "expires_at": None,
        "eta": {"p50": 1.0, "p90": 2.0},
        "next": [{"channel": "sms", "at": 1}, {"channel": "voice", "at": 2}],
        "tries_left": 5,
        "try_again_at": None,
        "tag": "ab",
        "inbound": {"line": "+983000", "text": "ABCD2345"},
        "come_back_at": None,
        "sign_in_number": 12,
        "code_length": 6,
    }


async def _run(carrier: str) -> None:
    async with Client() as client, serve(Stub(client, carrier).routes) as port:
        gateway = await asyncio.get_running_loop().create_server(
            Idle, "127.0.0.1", 0, backlog=BACKLOG
        )
        ports = {"port": port, "gateway": gateway.sockets[0].getsockname()[1]}
        sys.stdout.buffer.write(msgspec.json.encode(ports) + b"\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        gateway.close()


if __name__ == "__main__":
    core, address = int(sys.argv[1]), sys.argv[2]
    if core >= 0:
        os.sched_setaffinity(0, {core})
    uvloop.run(_run(address))
