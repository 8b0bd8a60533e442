"""Each provider is asked exactly as its documents say, and the answer to it is understood."""

from __future__ import annotations

from typing import Any

import pytest

from hodhod_server.domain.code_texts import ClientKind
from hodhod_server.domain.email import parse_email
from hodhod_server.domain.phone import parse_phone
from hodhod_server.sms.provider import OutcomeClass
from tests.fake_provider import Asked, FakeProvider
from tests.sms import entries
from tests.sms.conftest import OpenOne
from tests.sms.entries import DIGITS, KEY, NUMBER, a_message

QUOTED_KEY = "sekret%2Fkey%2541%2B"


async def _asked(open_one: OpenOne, fake: FakeProvider, entry: Any, **changed: Any) -> Asked:
    async with open_one(**entry) as provider:
        await provider.send(a_message(**changed))
    return fake.asked[-1]


async def test_kavenegar_looks_up_a_template(open_one: OpenOne, fake: FakeProvider) -> None:
    fake.will_answer(
        {
            "return": {"status": 200, "message": "تایید شد"},
            "entries": [{"messageid": 8792343, "status": 5, "cost": 120, "receptor": "0912"}],
        }
    )
    async with open_one(**entries.KAVENEGAR, tag_parameter="token2") as provider:
        outcome = await provider.send(a_message(tag="A7", client=ClientKind.ANDROID))
    asked = fake.asked[0]
    assert (asked.method, asked.path) == ("POST", f"/{QUOTED_KEY}/verify/lookup.json")
    assert asked.form == {
        "receptor": f"0{NUMBER}",
        "template": "login-android",
        "token": DIGITS,
        "token2": "A7",
        "type": "sms",
    }
    assert outcome.kind is OutcomeClass.ACCEPTED
    assert (outcome.message_id, outcome.cost, outcome.answer) == ("8792343", 120, "status 200")


async def test_kavenegar_calls_where_the_channel_is_voice(
    open_one: OpenOne, fake: FakeProvider
) -> None:
    asked = await _asked(open_one, fake, {**entries.KAVENEGAR, "channel": "voice"})
    assert asked.form["type"] == "call"


async def test_smsir_sends_a_numbered_template(open_one: OpenOne, fake: FakeProvider) -> None:
    fake.will_answer({"status": 1, "message": "موفق", "data": {"messageId": 89545112, "cost": 1.0}})
    async with open_one(**entries.SMSIR, tag_parameter="Tag") as provider:
        outcome = await provider.send(a_message(tag="A7", client=ClientKind.WEB))
    asked = fake.asked[0]
    assert (asked.method, asked.path) == ("POST", "/send/verify")
    assert asked.headers["X-API-KEY"] == KEY
    assert asked.json == {
        "mobile": f"0{NUMBER}",
        "templateId": 11,
        "parameters": [{"name": "Code", "value": DIGITS}, {"name": "Tag", "value": "A7"}],
    }
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "89545112")


@pytest.mark.parametrize("channel", ["sms", "voice"])
@pytest.mark.parametrize("is_pascal", [True, False])
async def test_ghasedak_sends_a_template(
    open_one: OpenOne, fake: FakeProvider, channel: str, *, is_pascal: bool
) -> None:
    camel: Any = {"isSuccess": True, "statusCode": 200, "data": {"items": [{"messageId": "2387"}]}}
    pascal: Any = {"IsSuccess": True, "StatusCode": 200, "Data": {"Items": [{"MessageId": 2387}]}}
    fake.will_answer(pascal if is_pascal else camel)
    async with open_one(**entries.GHASEDAK, channel=channel) as provider:
        outcome = await provider.send(a_message(locale="en", client=ClientKind.WEB))
    asked = fake.asked[0]
    assert (asked.method, asked.path) == ("POST", "/SendOtpSMS")
    assert asked.headers["ApiKey"] == KEY
    assert asked.json == {
        "templateName": "login-web-en",
        "receptors": [{"mobile": f"0{NUMBER}", "clientReferenceId": "send-1"}],
        "inputs": [{"param": "Code", "value": DIGITS}],
        "isVoice": channel == "voice",
        "udh": False,
    }
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "2387")


@pytest.mark.parametrize("kind", ["melipayamak", "farapayamak"])
async def test_melipayamak_fills_a_template_in_order(
    open_one: OpenOne, fake: FakeProvider, kind: str
) -> None:
    fake.will_answer({"Value": "4721903345126578", "RetStatus": 1, "StrRetStatus": "Ok"})
    async with open_one(**{**entries.MELIPAYAMAK, "kind": kind}, has_tag=True) as provider:
        assert provider.terms.failure_domain == "payamak-panel"
        outcome = await provider.send(a_message(tag="A7"))
    asked = fake.asked[0]
    assert (asked.method, asked.path) == ("POST", "/BaseServiceNumber")
    assert asked.form == {
        "username": "hodhod",
        "password": KEY,
        "to": f"0{NUMBER}",
        "bodyId": "11",
        "text": f"{DIGITS};A7",
    }
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "4721903345126578")


async def test_farazsms_sends_a_pattern(open_one: OpenOne, fake: FakeProvider) -> None:
    fake.will_answer({"status": "success", "data": 987654, "messages": "queued"}, 201)
    async with open_one(**entries.FARAZSMS) as provider:
        outcome = await provider.send(a_message())
    asked = fake.asked[0]
    assert (asked.method, asked.path) == ("POST", "/sms/pattern")
    assert asked.headers["Api-Key"] == KEY
    assert asked.json == {
        "code": "login",
        "recipient": f"0{NUMBER}",
        "attributes": {"code": DIGITS},
        "line_number": "9000123",
        "number_format": "english",
    }
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "987654")


async def test_ippanel_sends_a_pattern_or_calls(open_one: OpenOne, fake: FakeProvider) -> None:
    fake.will_answer(
        {
            "data": {"message_outbox_ids": [1123594208]},
            "meta": {"status": True, "message_code": "200-1"},
        }
    )
    async with open_one(**entries.IPPANEL) as provider:
        outcome = await provider.send(a_message())
    async with open_one(**entries.IPPANEL, channel="voice") as provider:
        await provider.send(a_message())
    assert {(asked.method, asked.path) for asked in fake.asked} == {("POST", "/api/send")}
    text, call = fake.asked
    assert text.headers["Authorization"] == KEY
    assert text.json == {
        "sending_type": "pattern",
        "from_number": "+983000505",
        "code": "login",
        "recipients": [f"+98{NUMBER}"],
        "params": {"code": DIGITS},
    }
    assert call.json == {
        "sending_type": "votp",
        "message": DIGITS,
        "params": {"recipients": [f"+98{NUMBER}"]},
    }
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "1123594208")
    assert outcome.answer == "message_code 200-1"


async def test_msgway_sends_over_the_chosen_prefix_or_calls(
    open_one: OpenOne, fake: FakeProvider
) -> None:
    fake.will_answer({"status": "success", "referenceID": "1628160593121007556", "sender": "30"})
    async with open_one(**entries.MSGWAY, line_prefix="2000", has_tag=True) as provider:
        outcome = await provider.send(a_message(tag="A7", valid_s=120))
    async with open_one(**entries.MSGWAY, line_prefix="2000", channel="voice") as provider:
        await provider.send(a_message())
    text, call = fake.asked
    assert (text.method, text.path, text.headers["apiKey"]) == ("POST", "/send", KEY)
    assert text.json == {
        "mobile": f"0{NUMBER}",
        "method": "sms",
        "templateID": 11,
        "code": DIGITS,
        "expireTime": 120,
        "provider": 2,
        "params": ["A7"],
    }
    assert call.json["method"] == "ivr"
    assert "provider" not in call.json
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "1628160593121007556")


async def test_generic_fills_its_templates(open_one: OpenOne, fake: FakeProvider) -> None:
    fake.will_answer({"meta": {"ok": True, "code": 1}, "data": [{"id": 77}]})
    async with open_one(**entries.GENERIC) as provider:
        outcome = await provider.send(a_message(text="{code} {brace} {to}"))
    asked = fake.asked[0]
    assert (asked.method, asked.path) == ("POST", f"/{QUOTED_KEY}/send")
    assert (asked.query["to"], asked.headers["X-Key"]) == (f"0{NUMBER}", KEY)
    assert asked.json == {
        "to": [f"+98{NUMBER}", f"98{NUMBER}"],
        "code": DIGITS,
        "text": "{code} {brace} {to}",
        "ttl": "600",
    }
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "77")


async def test_generic_can_ask_by_get_and_by_form(open_one: OpenOne, fake: FakeProvider) -> None:
    plain: Any = {"kind": "generic", "secret": KEY, "query": {"u": "{reference}:{locale}"}}
    async with open_one(**plain, method="GET") as provider:
        outcome = await provider.send(a_message())
    assert (fake.asked[0].method, fake.asked[0].query["u"]) == ("GET", "send-1:fa")
    assert outcome.kind is OutcomeClass.ACCEPTED
    asked = await _asked(open_one, fake, {**plain, "form": {"body": "{text}"}})
    assert asked.form == {"body": entries.TEXT}


@pytest.mark.parametrize("entry", entries.ALL, ids=lambda entry: entry["kind"])
async def test_nobody_sends_a_text_to_a_mailbox(
    open_one: OpenOne, fake: FakeProvider, entry: Any
) -> None:
    async with open_one(**entry) as provider:
        outcome = await provider.send(a_message(to=parse_email("a@example.org")))
    assert outcome.kind is OutcomeClass.RECIPIENT
    assert fake.asked == []


async def test_a_number_abroad_is_dialled_as_from_here(
    open_one: OpenOne, fake: FakeProvider
) -> None:
    asked = await _asked(open_one, fake, entries.SMSIR, to=parse_phone("+4915123456789"))
    assert asked.json["mobile"] == "004915123456789"
