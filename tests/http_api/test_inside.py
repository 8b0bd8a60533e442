"""What the socket can do, over HTTP."""

from __future__ import annotations

from tests.http_api.conftest import Ask
from tests.people import People


async def test_two_people_write_to_each_other(ask: Ask, people: People) -> None:
    sara, reza = await people.new("سارا"), await people.new("رضا")
    opened = await ask("POST", "/v1/chats", sara, json={"phone": reza.phone})
    chat = opened.body["chat"]
    assert [member["name"] for member in opened.body["members"]] == ["سارا", "رضا"]
    message = {"client_id": 5, "body": {"t": "text", "text": "سلام"}}
    sent = await ask("POST", f"/v1/chats/{chat}/events", sara, json=message)
    assert (sent.status, sent.body["seq"]) == (201, 1)
    assert await ask("POST", f"/v1/chats/{chat}/events", sara, json=message) == sent
    page = await ask("GET", f"/v1/chats/{chat}/events", reza)
    assert page.body == {
        "chat": chat,
        "events": [
            {
                "t": "message",
                "chat": chat,
                "seq": 1,
                "sender": sara.user,
                "client_id": 5,
                "at": sent.body["at"],
                "body": {"t": "text", "text": "سلام"},
            }
        ],
        "more": False,
    }
    assert (await ask("POST", f"/v1/chats/{chat}/read", reza, json={"seq": 1})).status == 200
    assert (await ask("POST", f"/v1/chats/{chat}/typing", reza)).status == 200
    seen = await ask("GET", f"/v1/chats/{chat}", sara)
    his = next(member for member in seen.body["members"] if member["user"] == reza.user)
    assert (his["delivered"], his["read"]) == (1, 1)


async def test_chats_and_events_come_in_pages(ask: Ask, people: People) -> None:
    sara = await people.new()
    chats = []
    for _ in range(5):
        other = await people.new()
        chats.append((await ask("POST", "/v1/chats", sara, json={"user": other.user})).body["chat"])
    first = await ask("GET", "/v1/chats?limit=3", sara)
    rest = await ask("GET", f"/v1/chats?limit=3&after={first.body['next']}", sara)
    assert [chat["chat"] for chat in first.body["chats"] + rest.body["chats"]] == chats
    assert rest.body["next"] is None
    for number in range(1, 6):
        body = {"client_id": number, "body": {"t": "text", "text": str(number)}}
        await ask("POST", f"/v1/chats/{chats[0]}/events", sara, json=body)
    page = await ask("GET", f"/v1/chats/{chats[0]}/events?after=1&limit=2", sara)
    assert [event["seq"] for event in page.body["events"]] == [2, 3]
    assert page.body["more"]


async def test_ones_own_account_and_what_others_see_of_it(ask: Ask, people: People) -> None:
    sara, reza = await people.new("سارا"), await people.new("رضا")
    assert (await ask("GET", "/v1/me", sara)).body == {
        "user": sara.user,
        "name": "سارا",
        "phone": sara.phone,
    }
    assert (await ask("PATCH", "/v1/me", sara, json={"name": " سارا م. "})).body[
        "name"
    ] == "سارا م."
    seen = await ask("GET", f"/v1/users/{sara.user}", reza)
    assert seen.body == {"user": sara.user, "name": "سارا م."}
    devices = (await ask("GET", "/v1/devices", sara)).body["devices"]
    assert [(item["device"], item["is_current"]) for item in devices] == [(sara.device, True)]


async def test_the_well_known_document_names_every_address(ask: Ask, base: str) -> None:
    known = (await ask("GET", "/.well-known/hodhod")).body
    assert known["version"] == 1
    assert known["api"] == base
    assert known["ws"] == base.replace("http", "ws") + "/v1/ws"
    assert known["signup"] == "http://127.0.0.1:8081"
    assert known["media"] == "http://127.0.0.1:8082"
    assert known["limits"]["upload_bytes"] == 4 * 1024**3
