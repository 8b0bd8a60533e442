"""Wrong input on every endpoint of the gateway: the documented problem, and a quiet log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hodhod_server.http_api.routes import ENDPOINTS
from hodhod_server.web.endpoints import Endpoint
from tests.http_api.conftest import Ask
from tests.people import People

CLOSED = [endpoint for endpoint in ENDPOINTS if not endpoint.is_public]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.takes is not None]
OPAQUE = ("{token}", "{challenge}", "{passkey}")  # ids that are no numbers
WITH_ID = [
    endpoint
    for endpoint in CLOSED
    if "{" in endpoint.path and not any(name in endpoint.path for name in OPAQUE)
]
# Something that every endpoint can read; it takes what it knows.
BODY = {
    "seq": 1,
    "client_id": 1,
    "body": {"t": "text", "text": "x"},
    "user": 1,
    "users": [1],
    "muted_until": 1,
    "number": 1,
}
WRONG_TYPES = (
    b'{"name": 5, "seq": "x", "client_id": -1, "user": "x", "users": 1,'
    b' "title": 5, "until": "x", "muted_until": "x", "uses_max": 0,'
    b' "key": 5, "pin": 5, "totp": 5, "number": "x", "link": 5, "code": 5, "credential": 5}'
)


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def filled(endpoint: Endpoint, value: str = "1") -> str:
    """The path with an id in every place."""
    path = endpoint.path.replace("{challenge}", "x" * 22).replace("{passkey}", "x" * 22)
    return path.replace("{chat}", value).replace("{user}", value).replace(
        "{device}", value
    ).replace("{link}", value).replace("{seq}", "1").replace("{token}", "x" * 22)  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet_log(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No wrong input may leave a traceback behind."""
    yield
    output = capfd.readouterr()
    assert "Traceback" not in output.err + output.out


@pytest.mark.parametrize("endpoint", CLOSED, ids=named)
async def test_nobody_gets_in_without_a_token(ask: Ask, endpoint: Endpoint) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x.y"},
        {"Authorization": "Basic YTpi"},
    ):
        answer = await ask(endpoint.method, filled(endpoint), headers=headers)
        assert (answer.status, answer.body["code"]) == (401, "unauthenticated")
        assert set(answer.body["titles"]) == {"en", "fa"}


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=named)
async def test_a_body_that_cannot_be_read_is_refused(
    ask: Ask, people: People, endpoint: Endpoint
) -> None:
    sara = await people.new()
    path, json_type = filled(endpoint), {"Content-Type": "application/json"}
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"data": b""}, 400, "malformed"),
        ({"data": b"{"}, 400, "malformed"),
        ({"data": b"[]"}, 400, "malformed"),
        ({"data": b"null"}, 400, "malformed"),
        ({"data": WRONG_TYPES}, 400, "malformed"),
        ({"data": b"[" * 50_000}, 400, "malformed"),
        ({"data": b'{"name": "\xff", "seq": \xff}'}, 400, "malformed"),
        ({"data": b" " * 70_000}, 413, "too_large"),
    ]
    for options, status, code in wrong:
        answer = await ask(endpoint.method, path, sara, headers=json_type, **options)
        assert (answer.status, answer.body["code"]) == (status, code), options["data"][:30]
    answer = await ask(endpoint.method, path, sara, data=b"{}", headers={"Content-Type": "text/x"})
    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("endpoint", WITH_ID, ids=named)
async def test_an_id_that_is_none_is_malformed(
    ask: Ask, people: People, endpoint: Endpoint
) -> None:
    sara = await people.new()
    for wrong in ("0", "-1", "x", "9007199254740992", "9" * 400, "0" * 17 + "1", "٣", "1.0", "%00"):
        answer = await ask(
            endpoint.method,
            filled(endpoint, wrong),
            sara,
            json=BODY,
        )
        assert (answer.status, answer.body["code"]) == (400, "malformed"), wrong


@pytest.mark.parametrize("endpoint", WITH_ID, ids=named)
async def test_what_belongs_to_others_is_not_found(
    ask: Ask, people: People, endpoint: Endpoint
) -> None:
    sara, reza, ali = await people.new(), await people.new(), await people.new()
    chat = (await ask("POST", "/v1/chats", sara, json={"user": reza.user})).body["chat"]
    foreign = str(sara.device if "{device}" in endpoint.path else chat)
    if endpoint.path == "/v1/users/{user}":
        foreign = "999999"
    answer = await ask(
        endpoint.method,
        filled(endpoint, foreign),
        ali,
        json=BODY,
    )
    assert answer.status == 404
    assert answer.body["code"] in {"chat_not_found", "device_not_found", "user_not_found"}


async def test_queries_that_are_no_numbers_are_malformed(ask: Ask, people: People) -> None:
    sara = await people.new()
    chat = (await ask("POST", "/v1/chats", sara, json={"user": sara.user})).body["chat"]
    events = f"/v1/chats/{chat}/events"
    for path in (
        "/v1/chats?after=x",
        "/v1/chats?limit=101",
        "/v1/chats?limit=0",
        f"/v1/chats?after={'0' * 16}5",
        f"{events}?limit=0",
        f"{events}?before=0",
        f"{events}?limit=-1",
        f"{events}?before=1e3",
        f"{events}?before=5&after=1",
    ):
        assert (await ask("GET", path, sara)).body["code"] == "malformed", path


async def test_names_and_phones_that_cannot_be_are_refused(ask: Ask, people: People) -> None:
    sara = await people.new()
    for name in ("", "   ", "x" * 65, "\u202e", "a\x00b"):
        assert (await ask("PATCH", "/v1/me", sara, json={"name": name})).body["code"] == (
            "name_invalid"
        )
    wrong = await ask("POST", "/v1/chats", sara, json={"phone": "021-12"})
    assert (wrong.status, wrong.body["code"]) == (400, "phone_invalid")


async def test_unknown_paths_and_methods_are_problems_too(ask: Ask) -> None:
    nowhere = await ask("GET", "/v1/nowhere")
    assert (nowhere.status, nowhere.body["code"]) == (404, "not_found")
    wrong = await ask("PUT", "/v1/me")
    assert (wrong.status, wrong.body["code"]) == (405, "method_not_allowed")
    persian = await ask("GET", "/v1/nowhere", headers={"Accept-Language": "fa-IR,fa;q=0.9"})
    assert persian.body["title"] == persian.body["titles"]["fa"]
