"""Providers call us: at a secret address, in whatever form, and are thanked once it is stored."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from hodhod_server.domain.callback_addresses import callback_path
from hodhod_server.domain.phone import parse_phone
from hodhod_server.domain.secret import Secret
from hodhod_server.signup_api.callbacks import Callbacks
from hodhod_server.signup_api.routes import add_callbacks
from hodhod_server.sms.opening import open_providers
from hodhod_server.sms.provider import Arrival, Inbound, Receipt, ReceiptState
from hodhod_server.web.serving import new_app
from tests.clock import FakeClock
from tests.newcomers import Door
from tests.sms import entries
from tests.sms.conftest import ENTRIES

KEY = Secret(b"k" * 32)
ADDRESS = callback_path(KEY, "first")
DELIVERED = Receipt(provider="first", message_id="5", state=ReceiptState.DELIVERED, answer="10")


class Ear:
    """Stores what it is told, or fails."""

    def __init__(self) -> None:
        self.heard: list[Arrival] = []
        self.is_broken = False

    async def __call__(self, arrivals: Sequence[Arrival]) -> None:
        if self.is_broken:
            raise RuntimeError
        self.heard += arrivals


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def edge(ear: Ear) -> AsyncIterator[Door]:
    """Two providers that call, and one that does not."""
    settings = [
        ENTRIES.validate_python({**entry, "name": name, "base_url": "http://127.0.0.1:9"})
        for name, entry in (
            ("first", entries.KAVENEGAR),
            ("second", entries.GENERIC),
            ("mute", entries.SMSIR),
        )
    ]
    async with contextlib.AsyncExitStack() as stack:
        providers = await stack.enter_async_context(open_providers(settings, FakeClock(), ear))
        app = new_app()
        add_callbacks(app, Callbacks(providers, KEY, ear))
        server = TestServer(app)
        await server.start_server(access_log=None)
        yield await stack.enter_async_context(TestClient(server))


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("GET", {"params": {"messageid": "5", "status": "10"}}),
        ("POST", {"params": {"messageid": "5", "status": "10"}}),
        ("POST", {"data": {"messageid": "5", "status": "10"}}),
        ("POST", {"params": {"messageid": "5"}, "data": {"status": "10"}}),
        ("POST", {"json": {"messageid": 5, "status": 10, "more": [1]}}),
        ("POST", {"data": b' {"messageid": 5, "status": 10}'}),
    ],
    ids=["query", "query of a post", "form", "both", "json", "json unsaid"],
)
async def test_every_form_of_call_is_understood(
    edge: Door, ear: Ear, method: str, more: dict[str, Any]
) -> None:
    async with edge.request(method, ADDRESS, **more) as answer:
        assert answer.status == 200
    assert ear.heard == [DELIVERED]


async def test_a_text_from_a_person_is_heard(edge: Door, ear: Ear) -> None:
    fields = {"messageid": "7", "from": "09123456789", "to": "3000", "message": "کد A7"}
    async with edge.get(ADDRESS, params=fields) as answer:
        assert answer.status == 200
    assert ear.heard == [
        Inbound(
            provider="first",
            sender=parse_phone("09123456789"),
            line="3000",
            text="کد A7",
            message_id="7",
        )
    ]


@pytest.mark.parametrize(
    "path",
    [
        ADDRESS[:-1] + ("A" if ADDRESS[-1] != "A" else "B"),
        ADDRESS.replace("first", "second"),
        ADDRESS.replace("first", "third"),
        callback_path(KEY, "third"),
        callback_path(KEY, "mute"),
        callback_path(Secret(b"l" * 32), "first"),
        ADDRESS.rpartition("/")[0] + "/%D9%87",
    ],
)
async def test_a_wrong_address_is_no_address(edge: Door, ear: Ear, path: str) -> None:
    for method in ("GET", "POST"):
        async with edge.request(method, path, params={"messageid": "5", "status": "10"}) as answer:
            assert answer.status == 404
            assert (await answer.json())["code"] == "not_found"
    assert ear.heard == []


async def test_what_is_not_stored_is_not_confirmed(edge: Door, ear: Ear) -> None:
    ear.is_broken = True
    async with edge.get(ADDRESS, params={"messageid": "5", "status": "10"}) as answer:
        assert answer.status == 500
    ear.is_broken = False
    async with edge.get(ADDRESS, params={"messageid": "5", "status": "10"}) as answer:
        assert answer.status == 200
    assert ear.heard == [DELIVERED]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b"nothing=known", 400, "malformed"),
        (b"&".join(b"a%d=1" % number for number in range(200)), 400, "malformed"),
        (b"x" * 100_000, 413, "too_large"),
    ],
    ids=["half", "no text", "unknown", "many", "large"],
)
async def test_what_cannot_be_read_is_refused(
    edge: Door, ear: Ear, body: bytes, status: int, code: str
) -> None:
    async with edge.post(ADDRESS, data=body) as answer:
        assert answer.status == status
        assert (await answer.json())["code"] == code
    assert ear.heard == []


async def test_nothing_of_a_call_is_logged(edge: Door, ear: Ear) -> None:
    ear.is_broken = True
    with structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]) as logs:
        for fields in (
            {"from": "09123456789", "message": "متن 738291"},
            {"from": "x", "message": "متن 738291", "messageid": "7"},
            {"wrong": "09123456789"},
        ):
            async with edge.get(ADDRESS, params=fields):
                pass
    assert logs
    secrets = ("9123456789", "738291", "متن", ADDRESS.rpartition("/")[2])
    assert [secret for secret in secrets if secret in str(logs)] == []
