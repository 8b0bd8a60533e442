"""Invite links over HTTP: for how many, until when, with whose approval."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.clock import FakeClock
from tests.http_api.conftest import Answer, Ask
from tests.people import People, Person


@pytest.fixture
async def sara(people: People) -> Person:
    return await people.new("سارا")


@pytest.fixture
async def chat(ask: Ask, sara: Person) -> int:
    body = {"kind": "group", "title": "کوه", "about": "جمعه‌ها"}
    number: int = (await ask("POST", "/v1/chats", sara, json=body)).body["chat"]
    return number


async def link(ask: Ask, chat: int, who: Person, **terms: Any) -> Any:
    made = await ask("POST", f"/v1/chats/{chat}/links", who, json=terms)
    assert made.status == 201, made.body
    return made.body


async def join(ask: Ask, token: str, who: Person) -> Answer:
    return await ask("POST", f"/v1/invites/{token}/join", who)


async def test_a_link_shows_where_it_leads_and_lets_in(
    ask: Ask, people: People, sara: Person, chat: int
) -> None:
    reza = await people.new("رضا")
    made = await link(ask, chat, sara)
    assert len(made["token"]) == 22
    assert (await ask("GET", f"/v1/invites/{made['token']}", reza)).body == {
        "kind": "group",
        "title": "کوه",
        "about": "جمعه‌ها",
        "member_count": 1,
        "requires_approval": False,
    }
    joined = (await join(ask, made["token"], reza)).body["chat"]
    assert (joined["chat"], joined["me"]["role"]) == (chat, "member")
    assert (await join(ask, made["token"], reza)).body["chat"]["chat"] == chat
    listed = (await ask("GET", f"/v1/chats/{chat}/links", sara)).body["links"]
    assert [(one["token"], one["uses"]) for one in listed] == [(made["token"], 1)]
    event = (await ask("GET", f"/v1/chats/{chat}/events", sara)).body["events"][-1]
    assert (event["sender"], event["body"]) == (reza.user, {"t": "joined", "users": [reza.user]})


async def test_a_link_lets_in_exactly_as_many_as_it_is_for(
    ask: Ask, people: People, sara: Person, chat: int
) -> None:
    token = (await link(ask, chat, sara, uses_max=10))["token"]
    crowd = [await people.new() for _ in range(20)]
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(join(ask, token, one)) for one in crowd]
    codes = [one.result().body.get("code", "in") for one in tries]
    assert (codes.count("in"), codes.count("invite_not_found")) == (10, 10)
    assert (await ask("GET", f"/v1/chats/{chat}", sara)).body["member_count"] == 11
    members = (await ask("GET", f"/v1/chats/{chat}/members", sara)).body["members"]
    assert len(members) == 11


async def test_a_link_ends_by_time_and_by_hand(
    ask: Ask, people: People, sara: Person, chat: int, clock: FakeClock
) -> None:
    reza = await people.new()
    now_ms = int(clock.now().timestamp() * 1000)
    short = await link(ask, chat, sara, expires_at=now_ms + 60_000)
    revoked = await link(ask, chat, sara)
    path = f"/v1/chats/{chat}/links/{revoked['link']}"
    assert (await ask("DELETE", path, sara)).status == 200
    assert (await ask("DELETE", path, sara)).body["code"] == "invite_not_found"
    clock.advance(60)
    for token in (short["token"], revoked["token"], "x" * 22, "x" * 100, "%00", "سلام"):
        for method, what in (("GET", ""), ("POST", "/join")):
            answer = await ask(method, f"/v1/invites/{token}{what}", reza)
            assert answer.body["code"] == "invite_not_found", token
    assert (await ask("GET", f"/v1/chats/{chat}/links", sara)).body["links"] == []
    past = await ask("POST", f"/v1/chats/{chat}/links", sara, json={"expires_at": now_ms})
    assert past.body["code"] == "wrong_state"


async def test_an_admin_decides_who_comes_in(
    ask: Ask, people: People, sara: Person, chat: int
) -> None:
    reza, mina, ali = [await people.new(name) for name in ("رضا", "مینا", "علی")]
    token = (await link(ask, chat, sara, requires_approval=True, uses_max=2))["token"]
    requests = f"/v1/chats/{chat}/join-requests"
    for one in (reza, mina, reza):
        assert (await join(ask, token, one)).body == {"chat": None}
    assert (await join(ask, token, ali)).body["code"] == "invite_not_found", "two places are taken"
    waiting = (await ask("GET", requests, sara)).body["requests"]
    assert [one["name"] for one in waiting] == ["رضا", "مینا"]
    assert (await ask("GET", f"/v1/chats/{chat}", reza)).body["code"] == "chat_not_found"
    assert (await ask("PUT", f"{requests}/{reza.user}", sara)).status == 200
    assert (await ask("GET", f"/v1/chats/{chat}", reza)).body["me"]["role"] == "member"
    assert (await ask("DELETE", f"{requests}/{mina.user}", sara)).status == 200
    assert (await ask("PUT", f"{requests}/{mina.user}", sara)).body["code"] == "member_not_found"
    assert (await join(ask, token, ali)).body == {"chat": None}
    assert (await ask("PUT", f"/v1/chats/{chat}/bans/{ali.user}", sara, json={})).status == 200
    assert (await ask("GET", requests, sara)).body["requests"] == []
    assert (await join(ask, token, mina)).body == {"chat": None}, (
        "whoever is kept out holds no place"
    )
