"""Whatever a provider does, `send` answers in time with what is to be done about it."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import Any

import pytest
import structlog

from hodhod_server.sms.http_sender import BODY_BYTES_MAX, CONNECTIONS_ASIDE
from hodhod_server.sms.provider import OutcomeClass
from tests.fake_provider import FakeProvider
from tests.free_ports import free_port
from tests.sms import entries
from tests.sms.conftest import ENTRIES, OpenOne
from tests.sms.entries import ALL, a_message

each_kind = pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry["kind"])


@each_kind
async def test_nobody_listening_means_never_sent(open_one: OpenOne, entry: dict[str, Any]) -> None:
    async with open_one(**entry, base_url=f"http://127.0.0.1:{free_port()}") as provider:
        outcome = await provider.send(a_message())
    assert outcome.kind is OutcomeClass.PROVIDER_FAULT


async def test_a_name_that_leads_nowhere_means_never_sent(open_one: OpenOne) -> None:
    async with open_one(**entries.SMSIR, base_url="http://provider.invalid") as provider:
        assert (await provider.send(a_message())).kind is OutcomeClass.PROVIDER_FAULT


async def test_tls_that_fails_means_never_sent(open_one: OpenOne, fake: FakeProvider) -> None:
    base_url = fake.url.replace("http:", "https:")
    async with open_one(**entries.SMSIR, base_url=base_url) as provider:
        assert (await provider.send(a_message())).kind is OutcomeClass.PROVIDER_FAULT
    assert fake.asked == []


async def test_connecting_is_given_up_after_two_seconds(open_one: OpenOne) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        started = asyncio.get_running_loop().time()
        async with open_one(**entries.SMSIR, base_url=f"http://127.0.0.1:{address[1]}") as provider:
            outcome = await provider.send(a_message())
        for one in waiting:
            one.close()
    assert asyncio.get_running_loop().time() - started < 3.5
    assert outcome.kind is OutcomeClass.PROVIDER_FAULT


@each_kind
async def test_hanging_up_after_the_request_means_maybe_sent(
    open_one: OpenOne, fake: FakeProvider, entry: dict[str, Any]
) -> None:
    fake.will_reset()
    async with open_one(**entry) as provider:
        assert (await provider.send(a_message())).kind is OutcomeClass.AMBIGUOUS


async def test_silence_after_the_request_means_maybe_sent_after_five_seconds(
    open_one: OpenOne, fake: FakeProvider
) -> None:
    fake.will_be_silent()
    started = asyncio.get_running_loop().time()
    async with open_one(**entries.KAVENEGAR) as provider:
        outcome = await provider.send(a_message())
    assert 4.5 < asyncio.get_running_loop().time() - started < 6
    assert outcome.kind is OutcomeClass.AMBIGUOUS


@each_kind
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[]", b"null", b'"1"', b"\xff\xfe", b'{"a":', b"[" * 5000],
    ids=["nothing", "page", "list", "null", "text", "no text", "half", "deep"],
)
async def test_a_success_that_cannot_be_read_may_have_been_one(
    open_one: OpenOne, fake: FakeProvider, entry: dict[str, Any], body: bytes
) -> None:
    fake.will_answer(body)
    async with open_one(**entry) as provider:
        assert (await provider.send(a_message())).kind is OutcomeClass.AMBIGUOUS


@each_kind
async def test_an_endless_body_is_not_read_to_its_end(
    open_one: OpenOne, fake: FakeProvider, entry: dict[str, Any]
) -> None:
    fake.will_answer({"x": "x" * 2 * BODY_BYTES_MAX})
    async with open_one(**entry) as provider:
        assert (await provider.send(a_message())).kind is OutcomeClass.AMBIGUOUS


@each_kind
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, "provider_fault"),
        (502, "provider_fault"),
        (504, "ambiguous"),
        (429, "throttled"),
        (401, "config"),
        (302, "config"),
    ],
)
async def test_an_http_status_alone_says_what_is_to_be_done(
    open_one: OpenOne, fake: FakeProvider, entry: dict[str, Any], status: int, kind: str
) -> None:
    fake.will_answer(b"", status, Retry_After="7", Location="/elsewhere")
    async with open_one(**entry) as provider:
        outcome = await provider.send(a_message())
    assert outcome.kind == kind
    assert outcome.answer == f"http {status}"
    assert outcome.retry_after_s == 7.0
    assert len(fake.asked) == 1


async def test_connections_are_used_again_and_never_more_than_agreed(
    open_one: OpenOne, fake: FakeProvider
) -> None:
    fake.will_answer({"status": 1, "data": {"messageId": 5}})
    fake.will_take(0.02)
    async with open_one(**entries.SMSIR, in_flight_max=2) as provider:
        async with asyncio.TaskGroup() as tasks:
            sends = [tasks.create_task(provider.send(a_message())) for _ in range(30)]
        assert {send.result().kind for send in sends} == {OutcomeClass.ACCEPTED}
    assert fake.at_once_max == fake.connections == 2 + CONNECTIONS_ASIDE


async def test_a_proxy_of_the_environment_is_not_used(
    open_one: OpenOne, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    fake.will_answer({"status": 1, "data": {"messageId": 5}})
    async with open_one(**entries.SMSIR) as provider:
        assert (await provider.send(a_message())).kind is OutcomeClass.ACCEPTED


@each_kind
async def test_nothing_secret_is_logged_or_shown(
    open_one: OpenOne,
    fake: FakeProvider,
    entry: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"no credit for 0{entries.NUMBER}: {entries.TEXT}"
    seen = [repr(ENTRIES.validate_python({"name": "one", "base_url": fake.url, **entry}))]
    with structlog.testing.capture_logs() as events:
        async with open_one(**entry) as provider:
            for status in (200, 400, 500):
                told: Any = {"return": {"status": said}, "status": said, "RetStatus": said}
                told |= {"meta": {"code": said, "status": False, "message_code": said}}
                told |= {"isSuccess": False, "statusCode": said, "error": {"code": said}}
                fake.will_answer(told, status)
                seen += [repr(await provider.send(a_message())), repr(provider)]
            fake.will_reset()
            seen.append(repr(await provider.send(a_message())))
    shown = capfd.readouterr()
    seen += [json.dumps(events, default=repr), caplog.text, shown.out, shown.err]
    secrets = (entries.KEY, "sekret", entries.DIGITS, entries.NUMBER, "محرمانه", "no credit")
    assert [secret for secret in secrets if secret in "\n".join(seen)] == []
