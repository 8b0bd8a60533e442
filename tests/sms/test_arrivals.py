"""Receipts and texts from people, as each provider tells them: by polling, or by calling us."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.phone import parse_phone
from hodhod_server.sms import ghasedak, ippanel, kavenegar, melipayamak, msgway, smsir
from hodhod_server.sms.provider import (
    Callback,
    CallingBack,
    Inbound,
    Metered,
    Polled,
    Receipt,
    ReceiptState,
)
from tests.fake_provider import FakeProvider
from tests.sms import entries
from tests.sms.conftest import OpenOne
from tests.sms.test_requests import QUOTED_KEY

ASKED_ONE_BY_ONE: list[tuple[Any, Any, str, Any]] = [
    (entries.SMSIR, smsir, "/send/51", lambda code: {"status": 1, "data": {"deliveryState": code}}),
    (
        entries.MELIPAYAMAK,
        melipayamak,
        "/GetDeliveries2",
        lambda code: {"Value": str(code), "RetStatus": 1},
    ),
    (
        entries.IPPANEL,
        ippanel,
        "/api/report/recipients",
        lambda code: {"data": [{"message_status": str(code)}], "meta": {"status": True}},
    ),
    (entries.MSGWAY, msgway, "/status", lambda code: {"status": "success", "OTPStatus": code}),
]


def _receipt(message_id: str, state: str, answer: str) -> Receipt:
    return Receipt(provider="one", message_id=message_id, state=ReceiptState(state), answer=answer)


async def test_kavenegar_tells_many_receipts_at_once(open_one: OpenOne, fake: FakeProvider) -> None:
    listed = [{"messageid": 50 + int(code), "status": int(code)} for code in kavenegar.STATES]
    fake.will_answer({"return": {"status": 200}, "entries": listed})
    async with open_one(**entries.KAVENEGAR) as provider:
        told = await provider.receipts(["51", "60"])
    asked = fake.asked[0]
    assert asked.path == f"/{QUOTED_KEY}/sms/status.json"
    assert asked.form == {"messageid": "51,60"}
    assert told == [
        _receipt(str(50 + int(code)), state, code) for code, state in kavenegar.STATES.items()
    ]


async def test_ghasedak_tells_many_receipts_at_once(open_one: OpenOne, fake: FakeProvider) -> None:
    listed = [{"messageId": f"m{code}", "status": int(code)} for code in ghasedak.STATES]
    fake.will_answer({"isSuccess": True, "statusCode": 200, "data": listed})
    async with open_one(**entries.GHASEDAK) as provider:
        told = await provider.receipts(["m1", "m5"])
    assert (fake.asked[0].method, fake.asked[0].path) == ("GET", "/CheckSmsStatus")
    assert dict(fake.asked[0].query) == {"Ids": "m1,m5", "Type": "1"}
    assert told == [_receipt(f"m{code}", state, code) for code, state in ghasedak.STATES.items()]


@pytest.mark.parametrize(("entry", "kind", "path", "body"), ASKED_ONE_BY_ONE)
async def test_others_are_asked_for_one_after_another(
    open_one: OpenOne, fake: FakeProvider, entry: Any, kind: Any, path: str, body: Any
) -> None:
    async with open_one(**entry) as provider:
        for code, state in kind.STATES.items():
            fake.will_answer(body(code))
            assert await provider.receipts(["51"]) == [_receipt("51", state, code)]
    assert {asked.path for asked in fake.asked} == {path}


async def test_farazsms_tells_by_the_items_of_a_request(
    open_one: OpenOne, fake: FakeProvider
) -> None:
    fake.will_answer({"status": "success", "data": [{"status": "Delivered"}]})
    async with open_one(**entries.FARAZSMS) as provider:
        assert await provider.receipts(["51"]) == [_receipt("51", "delivered", "delivered")]
    assert fake.asked[0].path == "/send_request/51/items"


@pytest.mark.parametrize(
    ("entry", "more", "body", "path"),
    [
        (
            entries.KAVENEGAR,
            {"line": "30001"},
            {
                "entries": [
                    {
                        "messageid": 7,
                        "message": "کد A7",
                        "sender": f"98{entries.NUMBER}",
                        "receptor": "30001",
                    }
                ]
            },
            f"/{QUOTED_KEY}/sms/receive.json",
        ),
        (
            entries.SMSIR,
            {"reads_inbox": True},
            {
                "status": 1,
                "data": [
                    {"messageText": "کد A7", "number": 30001, "mobile": int(f"98{entries.NUMBER}")}
                ],
            },
            "/receive/latest",
        ),
        (
            entries.GHASEDAK,
            {"line": "30001"},
            {
                "isSuccess": True,
                "data": {
                    "items": [
                        {
                            "id": 7,
                            "message": "کد A7",
                            "sender": f"0{entries.NUMBER}",
                            "lineNumber": "30001",
                        }
                    ]
                },
            },
            "/GetReceivedSmses",
        ),
        (
            entries.MELIPAYAMAK,
            {"line": "30001"},
            {
                "RetStatus": 1,
                "Data": [
                    {"MsgID": 7, "Body": "کد A7", "Sender": entries.NUMBER, "Receiver": "30001"}
                ],
            },
            "/GetMessages",
        ),
        (
            entries.IPPANEL,
            {"reads_inbox": True},
            {
                "data": [
                    {
                        "messages_inbox_id": 7,
                        "from": f"+98{entries.NUMBER}",
                        "number": "30001",
                        "message": "کد A7",
                    },
                    {"messages_inbox_id": 6, "from": "1000", "number": "30001", "message": "ad"},
                ],
                "meta": {"status": True},
            },
            "/api/report/messages-inbox",
        ),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else None,
)
async def test_texts_from_people_are_fetched(
    open_one: OpenOne, fake: FakeProvider, entry: Any, more: Any, body: Any, path: str
) -> None:
    async with open_one(**entry) as provider:
        assert await provider.inbox() == []
        assert fake.asked == []
    fake.will_answer(body)
    async with open_one(**entry, **more) as provider:
        (text,) = await provider.inbox()
        assert await provider.inbox()
    assert fake.asked[0].path == path
    assert (text.sender, text.line, text.text) == (parse_phone(entries.NUMBER), "30001", "کد A7")
    assert text.message_id in ("7", "")
    if entry is entries.IPPANEL:
        assert [asked.json["filters"] for asked in fake.asked] == [{}, {"from_id": 7}]


@pytest.mark.parametrize("entry", entries.ALL[:-1], ids=lambda entry: entry["kind"])
async def test_a_provider_that_fails_tells_nothing(
    open_one: OpenOne, fake: FakeProvider, entry: Any
) -> None:
    more = {"reads_inbox": True} if entry["kind"] in ("smsir", "ippanel") else {"line": "30001"}
    more = {} if entry["kind"] == "msgway" else more
    for body, status in ((b"{", 200), ({"data": 1, "entries": 2, "Data": 3}, 200), ({}, 500)):
        fake.will_answer(body, status)
        async with open_one(**{**entry, **more}) as provider:
            assert isinstance(provider, Polled)
            assert [
                told
                for told in await provider.receipts(["1", "2"])
                if told.state is not ReceiptState.UNKNOWN
            ] == []
            assert await provider.inbox() == []
            assert not isinstance(provider, Metered) or await provider.credit() in (None, 1)
        fake.asked.clear()


@pytest.mark.parametrize(
    ("entry", "body"),
    [
        (entries.KAVENEGAR, {"entries": {"remaincredit": 1500, "type": "master"}}),
        (entries.SMSIR, {"status": 1, "data": 1500.5}),
        (entries.MELIPAYAMAK, {"Value": "1500.7", "RetStatus": 1}),
        (entries.FARAZSMS, {"status": "success", "data": {"balanceAmount": "1500"}}),
        (entries.IPPANEL, {"data": {"credit": 1500.05}, "meta": {"status": True}}),
    ],
    ids=lambda value: value.get("kind"),
)
async def test_credit_is_told_in_the_providers_unit(
    open_one: OpenOne, fake: FakeProvider, entry: Any, body: Any
) -> None:
    fake.will_answer(body)
    async with open_one(**entry) as provider:
        assert await provider.credit() == 1500


CALLS: list[tuple[Any, dict[str, str], Any]] = [
    (entries.KAVENEGAR, {"messageid": "5", "status": "10"}, _receipt("5", "delivered", "10")),
    (entries.GHASEDAK, {"MessageId": "5", "Status": "5"}, _receipt("5", "delivered", "5")),
    (entries.GENERIC, {"id": "5", "state": "UNDELIV"}, _receipt("5", "undelivered", "UNDELIV")),
    (entries.GENERIC, {"id": "5", "state": "WHAT"}, _receipt("5", "unknown", "WHAT")),
    (
        entries.KAVENEGAR,
        {"messageid": "7", "from": f"0{entries.NUMBER}", "to": "3000", "message": "A7"},
        Inbound(
            provider="one",
            sender=parse_phone(entries.NUMBER),
            line="3000",
            text="A7",
            message_id="7",
        ),
    ),
    (
        entries.GENERIC,
        {"mo": "7", "from": f"98{entries.NUMBER}", "to": "3000", "body": "A7"},
        Inbound(
            provider="one",
            sender=parse_phone(entries.NUMBER),
            line="3000",
            text="A7",
            message_id="7",
        ),
    ),
]


@pytest.mark.parametrize(("entry", "fields", "told"), CALLS)
async def test_providers_call_us(
    open_one: OpenOne, entry: Any, fields: dict[str, str], told: Any
) -> None:
    async with open_one(**entry) as provider:
        assert provider.read_callback(Callback(fields=fields, body=b"")) == [told]
        with pytest.raises(Malformed):
            provider.read_callback(Callback(fields={"x": "y"}, body=b""))


names = st.sampled_from(
    ["messageid", "status", "from", "to", "message", "id", "state", "body", "sender", "MessageId"]
)


@given(fields=st.dictionaries(names, st.text(max_size=80)))
def test_no_fields_make_a_reader_raise_anything_else(fields: dict[str, str]) -> None:
    for reader in (kavenegar.Kavenegar, ghasedak.Ghasedak):
        provider: Any = object.__new__(reader)
        provider.terms = type("T", (), {"name": "one"})
        assert isinstance(provider, CallingBack)
        try:
            told = provider.read_callback(Callback(fields=fields, body=b""))
        except Malformed:
            continue
        assert len(told) <= 1
