"""Codes through a real Kannel, and its calls back; what it cannot be made to say, by a stand-in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from hodhod_loadtest.carriers.smpp import Report, Smsc, Verdict, text_of
from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.secret import Secret
from hodhod_server.settings.line_providers import KannelSettings
from hodhod_server.sms.kannel import Kannel, open_kannel
from hodhod_server.sms.provider import Callback, Inbound, OutcomeClass, Receipt, ReceiptState
from tests.codes_to_carry import PERSIAN, Heard, code_message
from tests.eventually import eventually
from tests.free_ports import free_port
from tests.kannel import run_kannel
from tests.providers import terms

LINE = "9820001234"
PHONE = "989121234567"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATH = "/v1/signup/callbacks/kannel/S3cret%2B"


def settings_for(url: str, callback_url: str = "http://127.0.0.1:1/") -> KannelSettings:
    return KannelSettings(
        name="kannel",
        url=url,
        username="hodhod",
        password=Secret(b"secret"),
        source=LINE,
        callback_url=Secret(callback_url.encode()),
    )


class Edge:
    """Where Kannel calls: hands what it says to the provider, as the sign-up edge does."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.provider: Kannel | None = None

    async def called(self, request: web.Request) -> web.Response:
        assert self.provider is not None
        callback = Callback(fields=dict(request.query), body=await request.read())
        await self.heard(self.provider.read_callback(callback))
        return web.Response()


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, method: str = "*", path: str = "/{any:.*}"
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route(method, path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.mark.needs("kannel")
async def test_codes_receipts_and_texts_pass_through_a_real_kannel(tmp_path: Path) -> None:
    edge = Edge()
    states = iter(["DELIVRD", "UNDELIV"])
    async with contextlib.AsyncExitStack() as stack:
        smsc = await stack.enter_async_context(Smsc.open())
        smsc.law = lambda _: Verdict(reports=[Report(next(states), 0.1, has_tlvs=False)])
        base = await stack.enter_async_context(serving(edge.called))
        url = await stack.enter_async_context(run_kannel(tmp_path, smsc.port, base + PATH))
        settings = settings_for(url, base + PATH)
        provider = await stack.enter_async_context(open_kannel(settings, terms("kannel")))
        edge.provider = provider
        await eventually(lambda: bool(smsc.sessions))

        persian = await provider.send(code_message(reference="a/1?&%d", valid_s=543))
        assert (persian.kind, persian.message_id) == (OutcomeClass.ACCEPTED, "a/1?&%d")
        await eventually(lambda: len(edge.heard.receipts) == 1)
        await provider.send(code_message(text="Hodhod code: 123456", reference="second"))
        await eventually(lambda: len(edge.heard.receipts) == 2)
        first, second = edge.heard.receipts
        assert (first.message_id, first.state) == ("a/1?&%d", ReceiptState.DELIVERED)
        assert (second.message_id, second.state) == ("second", ReceiptState.UNDELIVERED)
        assert [(s.data_coding, text_of(s)) for s in smsc.submits] == [
            (8, PERSIAN),
            (0, "Hodhod code: 123456"),
        ]
        assert smsc.submits[0].destination_addr.lstrip("+0") == PHONE
        assert smsc.submits[0].validity_period, "the network need not keep it longer"

        await smsc.deliver(
            LINE, "ورود ۷".encode("utf-16-be"), source_addr=PHONE, source_addr_ton=1, data_coding=8
        )
        await smsc.deliver(LINE, b"join [7]", source_addr=PHONE, source_addr_ton=1, data_coding=3)
        await eventually(lambda: len(edge.heard.texts) == 2)
        assert {inbound.text for inbound in edge.heard.texts} == {"ورود ۷", "join [7]"}
        assert {(inbound.sender, inbound.line) for inbound in edge.heard.texts} == {
            (Phone(f"+{PHONE}"), LINE)
        }

        wrong = KannelSettings(**{**vars(settings), "password": Secret(b"wrong")})
        refused = await stack.enter_async_context(open_kannel(wrong, terms("kannel")))
        assert (await refused.send(code_message())).kind is OutcomeClass.CONFIG


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (202, "3: Queued for later delivery", OutcomeClass.ACCEPTED),
        (403, "Number(s) has/have been denied by white- and/or black-lists.", "recipient"),
        (403, "Authorization failed for sendsms", OutcomeClass.CONFIG),
        (503, "Temporal failure, try again later.", OutcomeClass.PROVIDER_FAULT),
    ],
)
async def test_what_kannel_says_tells_what_is_to_be_done(
    status: int, said: str, kind: OutcomeClass
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=said)

    async with serving(answer) as url, open_kannel(settings_for(url), terms()) as provider:
        assert (await provider.send(code_message())).kind == kind


async def test_a_kannel_that_is_not_there_took_nothing() -> None:
    url = f"http://127.0.0.1:{free_port()}/cgi-bin/sendsms"
    async with open_kannel(settings_for(url), terms()) as provider:
        assert (await provider.send(code_message())).kind is OutcomeClass.PROVIDER_FAULT


async def test_a_kannel_that_falls_silent_may_have_sent() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        await asyncio.sleep(0)
        return web.Response()

    async with serving(hang_up) as url, open_kannel(settings_for(url), terms()) as provider:
        assert (await provider.send(code_message())).kind is OutcomeClass.AMBIGUOUS


@pytest.fixture
async def provider() -> AsyncIterator[Kannel]:
    async with open_kannel(settings_for("http://127.0.0.1:1/"), terms("kannel")) as opened:
        yield opened


def test_every_state_of_a_receipt_is_known(provider: Kannel) -> None:
    states = {
        "1": ReceiptState.DELIVERED,
        "2": ReceiptState.UNDELIVERED,
        "8": ReceiptState.AT_OPERATOR,
        "16": ReceiptState.UNDELIVERED,
        "99": ReceiptState.UNKNOWN,
    }
    for said, state in states.items():
        callback = Callback(fields={"id": "7", "state": said, "answer": "ok"}, body=b"")
        assert provider.read_callback(callback) == [
            Receipt(provider="kannel", message_id="7", state=state, answer="ok")
        ]


def test_a_text_may_come_in_the_query(provider: Kannel) -> None:
    fields = {"from": f"+{PHONE}", "to": LINE, "text": "ورود"}
    assert provider.read_callback(Callback(fields=fields, body=b"")) == [
        Inbound(provider="kannel", sender=Phone(f"+{PHONE}"), line=LINE, text="ورود")
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"state": "1"},
        {"from": "nobody"},
        {"from": f"+{PHONE}", "charset": "no-such"},
        {"from": f"+{PHONE}", "charset": "hex"},
    ],
    ids=str,
)
def test_a_call_that_says_nothing_is_malformed(provider: Kannel, fields: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        provider.read_callback(Callback(fields=fields, body=b"\x00"))
