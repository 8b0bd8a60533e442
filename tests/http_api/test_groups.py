"""Groups and channels over HTTP: who may do what, and what the others see of it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.clock import FakeClock
from tests.http_api.conftest import Answer, Ask
from tests.people import People, Person


class Room:
    """A group or channel, spoken to as its members."""

    def __init__(self, ask: Ask, chat: int) -> None:
        self.ask = ask
        self.chat = chat
        self.path = f"/v1/chats/{chat}"

    async def call(self, method: str, path: str, who: Person, **body: Any) -> Answer:
        options = {"json": body} if body or method in {"POST", "PUT", "PATCH"} else {}
        return await self.ask(method, self.path + path, who, **options)

    async def say(self, who: Person, text: str = "سلام", client_id: int | None = None) -> Answer:
        number = client_id or secrets.randbelow(2**53 - 1) + 1
        body = {"t": "text", "text": text}
        return await self.call("POST", "/events", who, client_id=number, body=body)

    async def seen(self, who: Person) -> Any:
        return (await self.call("GET", "", who)).body

    async def bodies(self, who: Person) -> list[Any]:
        return [event["body"] for event in (await self.call("GET", "/events", who)).body["events"]]


async def found(ask: Ask, owner: Person, *members: Person, **options: Any) -> Room:
    wanted = {"kind": "group", "title": "کوه", "members": [one.user for one in members], **options}
    made = await ask("POST", "/v1/chats", owner, json=wanted)
    assert made.status == 200, made.body
    return Room(ask, made.body["chat"])


@pytest.fixture
async def four(people: People) -> tuple[Person, Person, Person, Person]:
    return (
        await people.new("سارا"),
        await people.new("رضا"),
        await people.new("مینا"),
        await people.new("علی"),
    )


Four = tuple[Person, Person, Person, Person]


async def test_a_group_is_founded_and_its_members_write(ask: Ask, four: Four) -> None:
    sara, reza, mina, ali = four
    room = await found(ask, sara, reza, mina, about=" جمعه‌ها ")
    seen = await room.seen(reza)
    assert (seen["kind"], seen["title"], seen["about"]) == ("group", "کوه", "جمعه‌ها")
    assert seen["member_count"] == 3
    assert "members" not in seen
    assert seen["me"]["role"] == "member"
    assert seen["me"]["permissions"] == ["post", "send_files", "invite"]
    assert (await room.seen(sara))["me"]["role"] == "owner"
    assert (await room.say(reza)).body["seq"] == 2
    assert await room.bodies(mina) == [
        {"t": "created", "title": "کوه", "users": [reza.user, mina.user]},
        {"t": "text", "text": "سلام"},
    ]
    assert (await room.say(ali)).body["code"] == "chat_not_found"
    listed = (await room.call("GET", "/members?limit=2", mina)).body
    assert [one["user"] for one in listed["members"]] == [sara.user, reza.user]
    rest = (await room.call("GET", f"/members?after={listed['next']}", mina)).body
    assert [one["name"] for one in rest["members"]] == ["مینا"]
    admins = (await room.call("GET", "/members?role=admin", mina)).body["members"]
    assert [(one["user"], one["role"]) for one in admins] == [(sara.user, "owner")]


async def test_coming_leaving_and_being_removed_are_in_the_log(ask: Ask, four: Four) -> None:
    sara, reza, mina, ali = four
    room = await found(ask, sara, reza)
    added = await room.call("POST", "/members", reza, users=[mina.user, ali.user, sara.user])
    assert added.body == {"added": [mina.user, ali.user]}
    assert (await room.call("POST", "/leave", mina)).status == 200
    assert (await room.call("DELETE", f"/members/{ali.user}", sara)).status == 200
    assert await room.bodies(sara) == [
        {"t": "created", "title": "کوه", "users": [reza.user]},
        {"t": "joined", "users": [mina.user, ali.user]},
        {"t": "left", "user": mina.user},
        {"t": "removed", "user": ali.user},
    ]
    assert (await room.seen(sara))["member_count"] == 2
    for gone in (mina, ali):
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/typing")):
            assert (await room.call(method, path, gone)).body["code"] == "chat_not_found"
        assert (await room.say(gone)).body["code"] == "chat_not_found"


async def test_each_right_is_asked_for(ask: Ask, four: Four) -> None:
    sara, reza, mina, _ = four
    room = await found(ask, sara, reza, mina)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", "", {"title": "x"}),
        ("PATCH", "", {"slow_mode_s": 5}),
        ("PATCH", "", {"default_permissions": []}),
        ("DELETE", f"/members/{mina.user}", {}),
        ("PATCH", f"/members/{mina.user}", {"role": "admin", "permissions": []}),
        ("PATCH", f"/members/{mina.user}", {"permissions": []}),
        ("PATCH", f"/members/{mina.user}", {"muted_until": 1}),
        ("GET", "/bans", {}),
        ("PUT", f"/bans/{mina.user}", {}),
        ("DELETE", f"/bans/{mina.user}", {}),
        ("GET", "/links", {}),
        ("POST", "/links", {}),
        ("DELETE", "/links/1", {}),
        ("GET", "/join-requests", {}),
        ("PUT", f"/join-requests/{mina.user}", {}),
        ("DELETE", f"/join-requests/{mina.user}", {}),
        ("POST", "/owner", {"user": mina.user}),
    ]
    for method, path, body in calls:
        answer = await room.call(method, path, reza, **body)
        assert (answer.status, answer.body["code"]) == (403, "forbidden"), (method, path)


async def test_an_admin_may_what_was_given_and_no_more(ask: Ask, four: Four) -> None:
    sara, reza, mina, ali = four
    room = await found(ask, sara, reza, mina, ali)
    given = ["manage_members", "promote"]
    made = await room.call("PATCH", f"/members/{reza.user}", sara, role="admin", permissions=given)
    assert made.status == 200
    assert (await room.seen(reza))["me"] == {
        "role": "admin",
        "permissions": ["post", "send_files", "invite", "manage_members", "promote"],
        "own_permissions": given,
    }
    assert (await room.call("POST", "/links", reza)).body["code"] == "forbidden"
    more = {"role": "admin", "permissions": ["manage_links"]}
    assert (await room.call("PATCH", f"/members/{mina.user}", reza, **more)).status == 403
    less = {"role": "admin", "permissions": ["manage_members"]}
    assert (await room.call("PATCH", f"/members/{mina.user}", reza, **less)).status == 200
    assert (await room.call("DELETE", f"/members/{reza.user}", mina)).status == 403
    assert (await room.call("DELETE", f"/members/{sara.user}", mina)).status == 403
    assert (await room.call("PATCH", f"/members/{mina.user}", reza, role="member")).status == 200
    assert (await room.call("DELETE", f"/members/{mina.user}", reza)).status == 200
    unknown = {"role": "admin", "permissions": ["fly"]}
    assert (await room.call("PATCH", f"/members/{ali.user}", sara, **unknown)).status == 400


async def test_a_group_always_has_one_owner(ask: Ask, four: Four) -> None:
    sara, reza, mina, _ = four
    room = await found(ask, sara, reza)
    assert (await room.call("POST", "/leave", sara)).body["code"] == "wrong_state"
    assert (await room.call("POST", "/owner", sara, user=mina.user)).body["code"] == (
        "member_not_found"
    )
    assert (await room.call("POST", "/owner", sara, user=sara.user)).status == 409
    assert (await room.call("POST", "/owner", sara, user=reza.user)).status == 200
    assert (await room.seen(reza))["me"]["role"] == "owner"
    assert (await room.seen(sara))["me"]["role"] == "admin"
    assert (await room.call("POST", "/leave", sara)).status == 200


async def test_mutes_and_restrictions_hold_until_they_end(
    ask: Ask, four: Four, clock: FakeClock
) -> None:
    sara, reza, mina, _ = four
    room = await found(ask, sara, reza, mina)
    until = int(clock.now().timestamp() * 1000) + 60_000
    await room.call("PATCH", f"/members/{reza.user}", sara, muted_until=until)
    refused = await room.say(reza)
    assert (refused.body["code"], refused.body["until"]) == ("muted", until)
    assert refused.body["retry_after"] == 60
    assert (await room.seen(reza))["me"]["muted_until"] == until
    await room.call("PATCH", f"/members/{mina.user}", sara, muted_until=until)
    await room.call("PATCH", f"/members/{mina.user}", sara, muted_until=None)
    assert (await room.say(mina)).status == 201
    clock.advance(61)
    assert (await room.say(reza)).status == 201


async def test_restrictions_take_from_the_default_and_give_nothing(ask: Ask, four: Four) -> None:
    sara, reza, _, _ = four
    room = await found(ask, sara, reza)
    kept = {"permissions": ["send_files", "promote"]}
    assert (await room.call("PATCH", f"/members/{reza.user}", sara, **kept)).status == 200
    assert (await room.seen(reza))["me"]["permissions"] == ["send_files"]
    assert (await room.say(reza)).body["code"] == "forbidden"
    assert (await room.say(sara)).status == 201
    everything = {"permissions": None}
    assert (await room.call("PATCH", f"/members/{reza.user}", sara, **everything)).status == 200
    assert (await room.say(reza)).status == 201
    await room.call("PATCH", "", sara, default_permissions=["invite"])
    assert (await room.say(reza)).body["code"] == "forbidden"
    assert (await room.call("PATCH", "", sara, default_permissions=["promote"])).status == 403


async def test_a_banned_person_stays_out_until_then(ask: Ask, four: Four, clock: FakeClock) -> None:
    sara, reza, mina, ali = four
    room = await found(ask, sara, reza)
    now_ms = int(clock.now().timestamp() * 1000)
    assert (await room.call("PUT", f"/bans/{reza.user}", sara, until=now_ms + 60_000)).status == 200
    assert (await room.call("PUT", f"/bans/{mina.user}", sara)).status == 200
    assert (await room.call("PUT", "/bans/999999", sara)).body["code"] == "user_not_found"
    assert (await room.say(reza)).body["code"] == "chat_not_found"
    bans = (await room.call("GET", "/bans", sara)).body["bans"]
    assert [(one["user"], one["until"]) for one in bans] == [
        (reza.user, now_ms + 60_000),
        (mina.user, None),
    ]
    token = (await room.call("POST", "/links", sara)).body["token"]
    for banned in (reza, mina):
        assert (await ask("POST", f"/v1/invites/{token}/join", banned)).body["code"] == "banned"
        assert (await room.call("POST", "/members", sara, users=[ali.user, banned.user])).body[
            "code"
        ] == "banned"
    clock.advance(61)
    assert (await ask("POST", f"/v1/invites/{token}/join", reza)).status == 200
    assert (await ask("POST", f"/v1/invites/{token}/join", mina)).body["code"] == "banned"
    assert (await room.call("DELETE", f"/bans/{mina.user}", sara)).status == 200
    assert (await room.call("DELETE", f"/bans/{mina.user}", sara)).status == 404
    assert (await ask("POST", f"/v1/invites/{token}/join", mina)).status == 200


async def test_settings_change_and_are_told(ask: Ask, four: Four) -> None:
    sara, reza, _, _ = four
    room = await found(ask, sara, reza)
    changed = await room.call(
        "PATCH", "", sara, title=" قله ", about="x", slow_mode_s=30, history="from_joining"
    )
    assert (changed.body["title"], changed.body["slow_mode_s"]) == ("قله", 30)
    assert (await room.bodies(reza))[-1] == {
        "t": "changed",
        "title": "قله",
        "about": "x",
        "slow_mode_s": 30,
        "history": "from_joining",
    }
    before = (await room.seen(sara))["last_seq"]
    assert (await room.call("PATCH", "", sara, title="قله")).status == 200
    assert (await room.seen(sara))["last_seq"] == before, "nothing changed"
    for wrong in ({"title": " "}, {"title": "a\nb"}, {"title": "x" * 129}, {"about": "x" * 513}):
        assert (await room.call("PATCH", "", sara, **wrong)).body["code"] == "title_invalid"
    assert (await room.call("PATCH", "", sara, slow_mode_s=3601)).body["code"] == "malformed"
    assert (await room.call("PATCH", "", sara, history="some")).body["code"] == "malformed"


async def test_what_was_before_one_came_stays_hidden(ask: Ask, four: Four) -> None:
    sara, reza, mina, _ = four
    room = await found(ask, sara, history="from_joining")
    for number in range(3):
        await room.say(sara, str(number))
    await room.call("POST", "/members", sara, users=[reza.user])
    await room.say(sara, "دید")
    page = (await room.call("GET", "/events", reza)).body
    assert [event["seq"] for event in page["events"]] == [5, 6]
    assert not page["more"]
    for query in ("?after=0", "?after=2&limit=1", "?before=6", "?before=3"):
        events = (await room.call("GET", f"/events{query}", reza)).body["events"]
        assert all(event["seq"] >= 5 for event in events), query
    assert (await room.call("POST", "/events/2/media-link", reza)).body["code"] == (
        "message_not_found"
    )
    await room.call("PATCH", "", sara, history="all")
    await room.call("POST", "/members", sara, users=[mina.user])
    assert (await room.bodies(mina))[1] == {"t": "text", "text": "0"}
    assert (await room.bodies(reza))[0] == {"t": "joined", "users": [reza.user]}


async def test_slow_mode_holds_members_and_not_admins(ask: Ask, four: Four) -> None:
    sara, reza, _, _ = four
    room = await found(ask, sara, reza)
    await room.call("PATCH", "", sara, slow_mode_s=60)
    first = await room.say(reza, client_id=77)
    assert first.status == 201
    refused = await room.say(reza)
    assert (refused.status, refused.body["code"]) == (429, "slow_mode")
    assert 0 < refused.body["retry_after"] <= 60
    assert await room.say(reza, client_id=77) == first, "a resend is no second message"
    for _ in range(2):
        assert (await room.say(sara)).status == 201


async def test_in_a_channel_only_admins_write_and_readers_do_not_see_one_another(
    ask: Ask, four: Four
) -> None:
    sara, reza, mina, _ = four
    room = await found(ask, sara, reza, mina, kind="channel", title="News")
    assert (await room.say(reza)).body["code"] == "forbidden"
    assert (await room.call("GET", "/members", reza)).body["code"] == "forbidden"
    assert (await room.call("GET", "/members", sara)).status == 200
    assert (await room.say(sara)).status == 201
    assert await room.bodies(reza) == [
        {"t": "created", "title": "News"},
        {"t": "text", "text": "سلام"},
    ]
    await room.call("POST", "/leave", mina)
    assert len(await room.bodies(reza)) == 2


async def test_a_channel_that_signs_nothing_shows_nobody(ask: Ask, four: Four) -> None:
    sara, reza, mina, _ = four
    room = await found(ask, sara, reza, mina, kind="channel", signs_posts=False)
    post = {"role": "admin", "permissions": ["post", "change_info"]}
    await room.call("PATCH", f"/members/{mina.user}", sara, **post)
    first = await room.say(mina, client_id=5)
    assert await room.say(mina, client_id=5) == first
    await room.call("PATCH", "", mina, about="x")
    await room.call("PATCH", "", sara, signs_posts=True)
    await room.say(mina, client_id=6)
    assert (await room.say(mina, client_id=5)).body == first.body
    events = (await room.call("GET", "/events", reza)).body["events"]
    assert [event["sender"] for event in events] == [0, 0, 0, 0, mina.user]


async def test_private_chats_are_no_groups(ask: Ask, four: Four) -> None:
    sara, reza, _, _ = four
    chat = (await ask("POST", "/v1/chats", sara, json={"user": reza.user})).body
    assert set(chat) == {"chat", "kind", "members"}
    room = Room(ask, chat["chat"])
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", "", {"title": "x"}),
        ("GET", "/members", {}),
        ("POST", "/members", {"users": [1]}),
        ("POST", "/leave", {}),
        ("GET", "/bans", {}),
        ("GET", "/links", {}),
        ("POST", "/links", {}),
        ("GET", "/join-requests", {}),
        ("GET", "/views", {}),
        ("POST", "/owner", {"user": reza.user}),
    ]
    for method, path, body in calls:
        assert (await room.call(method, path, sara, **body)).body["code"] == "chat_not_found"


async def test_limits_of_a_group_are_kept_and_published(ask: Ask, four: Four) -> None:
    sara, reza, _, _ = four
    limits = (await ask("GET", "/.well-known/hodhod")).body["limits"]
    room = await found(ask, sara, reza)
    too_many = list(range(1, limits["members_per_add"] + 2))
    assert (await room.call("POST", "/members", sara, users=too_many)).status == 400
    assert (await room.call("POST", "/members", sara, users=[999_999])).body["code"] == (
        "user_not_found"
    )
    assert limits["group_members"] == 200_000
    for number in range(limits["invite_links"]):
        assert (await room.call("POST", "/links", sara)).status == 201, number
    assert (await room.call("POST", "/links", sara)).body["code"] == "limit_reached"
