"""A server that takes no connection now: the SDK hears when to come back."""

from __future__ import annotations

import random

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hodhod._addresses import AddressBook
from hodhod._clock import ServerClock, SystemClock
from hodhod._http import Http
from hodhod._keeper import Keeper
from hodhod._state import Addresses
from hodhod._transport import Dialer, Ended
from hodhod_wire.close_codes import AfterClose, after_close


async def refuse(request: web.Request) -> web.Response:
    raise web.HTTPServiceUnavailable(headers={"Retry-After": "7"})


async def test_a_refused_upgrade_tells_how_long_to_stay_away() -> None:
    app = web.Application()
    app.router.add_get("/v1/ws", refuse)
    server = TestServer(app)
    await server.start_server(access_log=None)
    async with server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/")).rstrip("/")
        keeper = Keeper(None, url)
        keeper.state.addresses = Addresses(
            version=1, ws=f"{url}/v1/ws", api=url, signup=url, media=url
        )
        http = Http(session, ServerClock(SystemClock()), random.Random(1), deadline_s=5.0)
        dial = Dialer(session, AddressBook(url, http, keeper), "test")
        with pytest.raises(Ended) as ended:
            await dial("token")
    assert ended.value.retry_after_s == 7.0
    assert after_close(ended.value.code) is AfterClose.RECONNECT
