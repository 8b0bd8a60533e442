"""The role as an operator connects it: a code leaves through a provider of the settings."""

from __future__ import annotations

import re

from aiohttp.test_utils import TestClient, TestServer

from hodhod_server import app
from hodhod_server.domain.callback_addresses import callback_path
from hodhod_server.domain.keys import Keys
from hodhod_server.settings import Settings, SignupSettings
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.fake_provider import running_provider
from tests.newcomers import Newcomer
from tests.signup_api.conftest import running
from tests.sms import entries
from tests.sms.conftest import ENTRIES


async def test_a_code_goes_out_over_http_and_the_provider_may_call_back(
    settings: Settings, clock: FakeClock, keys: Keys
) -> None:
    async with running_provider() as fake:
        fake.will_answer({"return": {"status": 200}, "entries": [{"messageid": 5, "status": 1}]})
        entry = {**entries.KAVENEGAR, "name": "first", "base_url": fake.url}
        signup = SignupSettings(providers=(ENTRIES.validate_python(entry),))
        own = settings.model_copy(update={"signup": signup})
        async with (
            app.signup(own, clock) as parts,
            running(parts.loops),
            TestClient(TestServer(parts.app)) as door,
        ):
            started = await Newcomer(door, clock, "+989123456789").start()
            assert started.status == 201
            await eventually(lambda: bool(fake.asked))
            fields = {"messageid": "5", "status": "10"}
            async with door.get(callback_path(keys.callback, "first"), params=fields) as answer:
                assert answer.status == 200
            async with door.get("/dev/outbox", params={"phone": "+989123456789"}) as answer:
                assert answer.status == 404
        (asked,) = fake.asked
    assert asked.form["receptor"] == "09123456789"
    assert re.fullmatch(r"[0-9]{6}", asked.form["token"])
