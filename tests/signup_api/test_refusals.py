"""Requests that make no sense, on every endpoint: a documented refusal, never a defect."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hodhod_server.store.database import Database
from tests.newcomers import Answer, Door, Newcomer, ask

DEVICE = {"name": "Pixel", "platform": "android"}
SOUND: dict[str, dict[str, Any]] = {
    "/v1/signup": {"phone": "09121112233", "device": DEVICE},
    "/v1/signup/{id}/next": {"secret": "s"},
    "/v1/signup/{id}/seen": {"secret": "s"},
    "/v1/signup/{id}/cancel": {"secret": "s"},
    "/v1/signup/{id}/verify": {"secret": "s"},
    "/v1/sessions/refresh": {"refresh_token": "t"},
    "/v1/sessions/device-key": {"device": 1, "at": 1, "signature": "s"},
}
WRONG_MEMBERS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/signup", {"phone": 9121112233}),
    ("/v1/signup", {"locale": "de"}),
    ("/v1/signup", {"device": None}),
    ("/v1/signup", {"device": {"name": "Pixel"}}),
    ("/v1/signup", {"device": DEVICE | {"name": "x" * 65}}),
    ("/v1/signup", {"device": DEVICE | {"platform": 1}}),
    ("/v1/signup", {"device": DEVICE | {"public_key": "A" * 42}}),
    ("/v1/signup", {"device": DEVICE | {"public_key": "!" * 43}}),
    ("/v1/signup", {"device": DEVICE | {"public_key": "ب" * 43}}),
    ("/v1/signup", {"device": DEVICE | {"public_key": ""}}),
    ("/v1/signup", {"client": {"kind": "toaster"}}),
    ("/v1/signup", {"client": {"kind": "android", "app_hash": "too short"}}),
    ("/v1/signup/{id}/next", {"secret": None}),
    ("/v1/signup/{id}/next", {"channel": "pigeon"}),
    ("/v1/signup/{id}/next", {"channel": 1}),
    ("/v1/signup/{id}/verify", {"code": 123456}),
    ("/v1/signup/{id}/verify", {"name": []}),
    ("/v1/sessions/refresh", {"refresh_token": None}),
    ("/v1/sessions/refresh", {"refresh_token": "x" * 1025}),
    ("/v1/sessions/device-key", {"device": "1"}),
    ("/v1/sessions/device-key", {"device": 0}),
    ("/v1/sessions/device-key", {"device": 2**53}),
    ("/v1/sessions/device-key", {"at": -1}),
    ("/v1/sessions/device-key", {"at": 1.5}),
    ("/v1/sessions/device-key", {"signature": None}),
]
JSON = {"Content-Type": "application/json"}


async def _post(door: Door, path: str, **options: Any) -> Answer:
    return await ask(door, "POST", path.format(id="A" * 22), **options)


@pytest.mark.parametrize("path", SOUND)
@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 60_000, b'{"secret": "\\ud800"}'],
    ids=str,
)
async def test_a_body_that_is_no_such_json_is_malformed(door: Door, path: str, data: bytes) -> None:
    answer = await _post(door, path, data=data, headers=JSON)
    assert answer.refusal == (400, "malformed")


@pytest.mark.parametrize("path", SOUND)
async def test_a_body_that_is_too_large_is_refused(door: Door, path: str) -> None:
    answer = await _post(door, path, data=b" " * (64 * 1024 + 1), headers=JSON)
    assert answer.refusal == (413, "too_large")


@pytest.mark.parametrize("path", SOUND)
async def test_a_body_of_another_type_is_refused(door: Door, path: str) -> None:
    answer = await _post(door, path, data={"phone": "09121112233"})
    assert answer.refusal == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "missing"),
    [(path, name) for path, body in SOUND.items() for name in body if name != "code"],
)
async def test_a_missing_member_is_malformed(door: Door, path: str, missing: str) -> None:
    body = {name: value for name, value in SOUND[path].items() if name != missing}
    answer = await _post(door, path, json=body)
    assert answer.refusal == (400, "malformed")
    assert missing in answer["detail"]


@pytest.mark.parametrize(("path", "change"), WRONG_MEMBERS, ids=str)
async def test_a_member_of_another_kind_is_malformed(
    door: Door, path: str, change: dict[str, Any]
) -> None:
    answer = await _post(door, path, json=SOUND[path] | change)
    assert answer.refusal == (400, "malformed")


@pytest.mark.parametrize("path", SOUND)
async def test_another_method_is_refused(door: Door, path: str) -> None:
    answer = await ask(door, "PUT", path.format(id="A" * 22), json={})
    assert answer.refusal == (405, "method_not_allowed")


async def test_members_of_later_versions_are_ignored(door: Door) -> None:
    answer = await _post(door, "/v1/signup", json=SOUND["/v1/signup"] | {"invited_by": 7})
    assert answer.status == 201


async def test_a_public_key_may_be_padded(door: Door) -> None:
    device = DEVICE | {"public_key": "A" * 43 + "="}
    assert (
        await _post(door, "/v1/signup", json=SOUND["/v1/signup"] | {"device": device})
    ).status == 201


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "رمز", "x" * 5000])
async def test_a_wrong_secret_and_an_unknown_challenge_get_the_same_answer(
    newcomer: Newcomer, secret: str
) -> None:
    await newcomer.start()
    known = newcomer.id
    for challenge in (known, "A" * 22, "x", "%00", "%ff", "..%2f"):
        newcomer.id, newcomer.secret = challenge, secret
        answers = [await newcomer.send_again(), await newcomer.verify("123456")]
        if secret:
            answers.append(await newcomer.status())
        assert {answer.refusal for answer in answers} == {(404, "challenge_not_found")}


async def test_bytes_that_are_no_text_are_a_wrong_secret(newcomer: Newcomer) -> None:
    await newcomer.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", newcomer.door.port)
    head = f"GET /v1/signup/{newcomer.id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    writer.write(head.encode() + b"Authorization: Bearer \xff\xfe\r\n\r\n")
    assert b'"code":"challenge_not_found"' in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_without_the_secret_a_challenge_is_not_shown(newcomer: Newcomer) -> None:
    await newcomer.start()
    path = f"/v1/signup/{newcomer.id}"
    assert (await ask(newcomer.door, "GET", path)).refusal == (404, "challenge_not_found")
    headers = {"Authorization": "Basic eDp5"}
    answer = await ask(newcomer.door, "GET", path, headers=headers)
    assert answer.refusal == (401, "unauthenticated")


async def test_the_secret_of_one_challenge_does_not_open_another(
    newcomer: Newcomer, door: Door
) -> None:
    await newcomer.start()
    other = Newcomer(door, newcomer.clock)
    await other.start()
    newcomer.secret = other.secret
    assert (await newcomer.status()).refusal == (404, "challenge_not_found")


async def test_a_challenge_that_was_swept_away_is_not_found(
    newcomer: Newcomer, database: Database
) -> None:
    await newcomer.start()
    async with database.connection() as connection:
        await connection.execute("DELETE FROM challenges")
    for answer in (
        await newcomer.status(),
        await newcomer.send_again(),
        await newcomer.verify("123456"),
    ):
        assert answer.refusal == (404, "challenge_not_found")
