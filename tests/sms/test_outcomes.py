"""Each code of each provider's table means what is to be done about it; unknown ones are safe."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.sms import farazsms, ghasedak, ippanel, kavenegar, melipayamak, msgway, smsir
from hodhod_server.sms.answers import shown
from hodhod_server.sms.http_sender import Answer
from hodhod_server.sms.provider import OutcomeClass
from tests.fake_provider import FakeProvider
from tests.sms import entries
from tests.sms.conftest import OpenOne
from tests.sms.entries import a_message

JUDGES = (
    *(kavenegar.judge, smsir.judge, ghasedak.judge, melipayamak.judge),
    *(farazsms.judge, ippanel.judge, msgway.judge),
)
MELI_ID = "4721903345126578"


def _answer(body: Any, status: int = 200) -> Answer:
    return Answer(status=status, body=msgspec.json.encode(body))


@pytest.mark.parametrize("status", [200, 418])
@pytest.mark.parametrize(
    ("code", "kind"), [*kavenegar.REFUSALS.items(), ("999", "provider_fault")], ids=str
)
def test_kavenegar_by_its_own_status_whatever_http_says(code: str, kind: str, status: int) -> None:
    outcome = kavenegar.judge(_answer({"return": {"status": int(code)}, "entries": None}, status))
    assert (outcome.kind, outcome.answer) == (kind, f"status {code}")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(1, "accepted"), (5, "accepted"), (6, "provider_fault"), (14, "recipient"), (99, "accepted")],
)
def test_kavenegar_may_refuse_within_a_success(status: int, kind: str) -> None:
    entry = {"messageid": 1, "status": status}
    assert kavenegar.judge(_answer({"return": {"status": 200}, "entries": [entry]})).kind == kind


@pytest.mark.parametrize(
    ("code", "kind"), [*smsir.REFUSALS.items(), ("99", "provider_fault")], ids=str
)
def test_smsir_by_its_status(code: str, kind: str) -> None:
    outcome = smsir.judge(_answer({"status": int(code), "data": None}, 400))
    assert (outcome.kind, outcome.answer) == (kind, f"status {code}")


@pytest.mark.parametrize(
    ("code", "kind"), [*ghasedak.REFUSALS.items(), ("999", "provider_fault")], ids=str
)
def test_ghasedak_by_its_status(code: str, kind: str) -> None:
    body = {"isSuccess": False, "statusCode": int(code)}
    assert ghasedak.judge(_answer(body, 400)).kind == kind
    assert ghasedak.judge(_answer(body, 500)).kind is OutcomeClass.PROVIDER_FAULT


@pytest.mark.parametrize(("code", "kind"), melipayamak.REFUSALS.items(), ids=str)
def test_melipayamak_by_value_or_status(code: str, kind: str) -> None:
    for body in ({"Value": code, "RetStatus": 1}, {"Value": "", "RetStatus": int(code)}):
        assert melipayamak.judge(_answer(body)).kind == kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"Value": MELI_ID, "RetStatus": 1}, "accepted"),
        ({"Value": MELI_ID, "RetStatus": 2}, "config"),
        ({"Value": MELI_ID[:10], "RetStatus": 1}, "ambiguous"),
        ({"Value": "999", "RetStatus": 77}, "provider_fault"),
    ],
    ids=str,
)
def test_melipayamak_takes_only_a_long_number_for_a_success(body: Any, kind: str) -> None:
    assert melipayamak.judge(_answer(body)).kind == kind


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"status": "error", "messages": "..."}, 200, "config"),
        ({"status": "error"}, 422, "config"),
        ({"status": "error"}, 429, "throttled"),
        ({"status": "success", "data": {"id": 5}}, 201, "accepted"),
    ],
)
def test_farazsms_by_http_and_word(body: Any, status: int, kind: str) -> None:
    assert farazsms.judge(_answer(body, status)).kind == kind


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"data": None, "meta": {"status": False, "message_code": "400-1"}}, 401, "config"),
        ({"data": None, "meta": {"status": False, "message_code": "400-2"}}, 422, "config"),
        ({"data": None, "meta": {"status": False, "message_code": "400-2"}}, 200, "config"),
        ({"data": {}, "meta": {"status": True}}, 200, "accepted"),
    ],
)
def test_ippanel_by_its_meta(body: Any, status: int, kind: str) -> None:
    assert ippanel.judge(_answer(body, status)).kind == kind


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"status": "error", "error": {"code": 12, "message": "x"}}, 200, "provider_fault"),
        ({"status": "error", "error": {"code": 12, "message": "x"}}, 401, "config"),
        ({"status": "success", "referenceID": "1"}, 200, "accepted"),
    ],
)
def test_msgway_by_its_status(body: Any, status: int, kind: str) -> None:
    assert msgway.judge(_answer(body, status)).kind == kind


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"meta": {"ok": True, "code": 7}}, 200, "throttled"),
        ({"meta": {"ok": False, "code": 8}}, 200, "recipient"),
        ({"meta": {"ok": False, "code": 9}}, 200, "provider_fault"),
        ({"meta": {"code": 9}}, 200, "ambiguous"),
        ({}, 402, "config"),
        ({"meta": {"ok": True}}, 503, "provider_fault"),
        ({"meta": {"ok": True}, "data": [{"id": 3}]}, 202, "accepted"),
    ],
    ids=str,
)
async def test_generic_by_its_settings(
    open_one: OpenOne, fake: FakeProvider, body: Any, status: int, kind: str
) -> None:
    fake.will_answer(body, status)
    async with open_one(**entries.GENERIC) as provider:
        assert (await provider.send(a_message())).kind == kind


words = st.sampled_from(
    [
        "status",
        "return",
        "entries",
        "data",
        "items",
        "meta",
        "isSuccess",
        "Value",
        "RetStatus",
        "messageId",
        "referenceID",
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(body=json_values, status=st.integers(100, 599))
def test_no_json_makes_a_judge_raise_or_promise_without_a_success(body: Any, status: int) -> None:
    for judge in JUDGES:
        outcome = judge(_answer(body, status))
        assert len(outcome.answer) < 64
        if judge is not kavenegar.judge and status >= 500:
            assert outcome.kind is not OutcomeClass.ACCEPTED


@given(text=st.text())
def test_only_codes_are_shown(text: str) -> None:
    assert shown(text) == "?" or (len(shown(text)) <= 32 and " " not in shown(text))


def test_numbers_that_could_be_codes_or_phones_are_not_shown() -> None:
    assert [shown(code) for code in ("738291", 9123456789, "418", -10, "200-1", None, 1.0)] == [
        *("?", "?", "418", "-10", "200-1", "?", "1")
    ]
