"""Proving a number that has an account: PIN, idle accounts, holds."""

from __future__ import annotations

import asyncio

import pytest

from hodhod_server.domain.clock import to_ms
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer, ask
from tests.returners import by_recovery_key, inside, prove, recovery_key, set_pin

DAY_S = 86_400


@pytest.fixture
async def owner(door: Door, clock: FakeClock) -> Newcomer:
    return Newcomer(door, clock)


async def test_a_pin_is_asked_once_the_number_is_proved(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up("سارا")
    await set_pin(gate, session)
    elsewhere = Newcomer(door, clock, owner.phone)
    await elsewhere.start()
    asked = await prove(elsewhere)
    assert asked.refusal == (409, "pin_required")
    assert asked["fresh_from"] == to_ms(clock.now()) + 7 * DAY_S * 1000
    assert (await elsewhere.status())["state"] == "accepted"
    wrong = await prove(elsewhere, pin="1111")
    assert (wrong.refusal, wrong["tries_left"]) == ((403, "pin_wrong"), 9)
    assert (await prove(elsewhere, pin="123")).refusal == (400, "pin_invalid")
    assert (await prove(elsewhere, fresh=True, name="Thief")).refusal == (409, "pin_required")
    entered = await prove(elsewhere, pin=" ۲۴۶۸ ")
    assert (entered.status, entered["user"]) == (200, session["user"])
    assert await prove(elsewhere, pin="2468") is not None
    assert (await inside(gate, entered, "GET", "/v1/me/guards"))["held_until"] is None


async def test_without_the_code_no_pin_is_looked_at(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    await set_pin(gate, await owner.sign_up())
    elsewhere = Newcomer(door, clock, owner.phone)
    await elsewhere.start()
    for _ in range(5):
        body = {"secret": elsewhere.secret, "code": await elsewhere.wrong_code(), "pin": "2468"}
        path = f"/v1/signup/{elsewhere.id}/verify"
        assert (await ask(door, "POST", path, json=body)).refusal == (403, "code_wrong")
        clock.advance(30)  # the time between two tries


async def test_ten_wrong_pins_at_once_lock_and_take_the_keys_with_them(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    key = await recovery_key(gate, session)
    await set_pin(gate, session)
    elsewhere = Newcomer(door, clock, owner.phone)
    await elsewhere.start()
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(prove(elsewhere, pin="0000")) for _ in range(13)]
    refusals = sorted(item.result().refusal for item in tries)
    assert refusals == [(403, "pin_wrong")] * 10 + [(429, "tries_exhausted")] * 3
    assert (await prove(elsewhere, pin="2468")).refusal == (429, "tries_exhausted")
    assert (await by_recovery_key(door, elsewhere, key)).refusal == (403, "recovery_key_invalid")
    assert (await inside(gate, session, "GET", "/v1/me")).status == 200, "old devices stay"
    clock.advance(DAY_S)
    await elsewhere.start()
    assert (await prove(elsewhere, pin="2468")).status == 200


async def test_after_seven_days_unseen_the_number_is_free_for_a_fresh_account(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up("سارا")
    key = await recovery_key(gate, session)
    await set_pin(gate, session)
    clock.advance(7 * DAY_S)
    stranger = Newcomer(door, clock, owner.phone)
    await stranger.start()
    assert (await prove(stranger, name="رضا")).refusal == (409, "pin_required")
    fresh = await prove(stranger, name="رضا", fresh=True)
    assert (fresh.status, fresh["name"], fresh["is_new"]) == (200, "رضا", True)
    assert fresh["user"] != session["user"]
    returned = await by_recovery_key(door, owner, key, pin="2468")
    assert (returned.status, returned["user"]) == (200, session["user"])
    assert (await inside(gate, returned, "GET", "/v1/me"))["phone"] == ""


async def test_an_idle_account_is_not_given_to_who_has_its_number_now(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up("سارا")
    key = await recovery_key(gate, session)
    clock.advance(30 * DAY_S + 1)
    stranger = Newcomer(door, clock, owner.phone)
    await stranger.start()
    assert (await prove(stranger)).refusal == (409, "name_required")
    fresh = await prove(stranger, name="رضا")
    assert (fresh["is_new"], fresh["name"]) == (True, "رضا")
    assert (await inside(gate, fresh, "GET", "/v1/me/guards"))["held_until"] is None
    assert (await by_recovery_key(door, owner, key))["user"] == session["user"]
    clock.advance(90 * DAY_S)
    assert (await by_recovery_key(door, owner, key)).refusal == (403, "recovery_key_invalid")


async def test_an_account_that_was_seen_keeps_its_number(
    owner: Newcomer, door: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    clock.advance(29 * DAY_S)
    await owner.return_by_key(session["device"])
    clock.advance(29 * DAY_S)
    again = Newcomer(door, clock, owner.phone)
    assert (await again.sign_up())["user"] == session["user"]


async def test_who_came_in_by_a_text_alone_may_not_touch_the_guards_for_a_day(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    first = await owner.sign_up()
    second = await Newcomer(door, clock, owner.phone).sign_up()
    until = to_ms(clock.now()) + DAY_S * 1000
    for method, path, body in (
        ("PUT", "/v1/me/pin", {"pin": "1234"}),
        ("DELETE", "/v1/me/pin", {}),
        ("POST", "/v1/me/recovery-key", {}),
        ("DELETE", "/v1/me/recovery-key", {}),
        ("DELETE", f"/v1/devices/{first['device']}", {}),
    ):
        answer = await inside(gate, second, method, path, **body)
        assert (answer.refusal, answer["until"]) == ((403, "held"), until), path
    assert (await inside(gate, first, "PUT", "/v1/me/pin", pin="1234")).status == 200
    listed = (await inside(gate, first, "GET", "/v1/devices"))["devices"]
    assert [device["held_until"] for device in listed] == [None, until]
    assert (await inside(gate, second, "POST", "/v1/me/sign-out"))["return_token"] is None


async def test_a_hold_ends_by_itself_and_by_the_pin(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    first = await owner.sign_up()
    second = await Newcomer(door, clock, owner.phone).sign_up()
    await set_pin(gate, first, "1234")
    wrong = await inside(gate, second, "POST", "/v1/me/hold/lift", pin="9999")
    assert wrong.refusal == (403, "pin_wrong")
    assert (await inside(gate, second, "POST", "/v1/me/hold/lift", pin="1234")).status == 200
    assert (await inside(gate, second, "DELETE", "/v1/me/pin")).status == 200
    elsewhere = Newcomer(door, clock, owner.phone)
    third = await elsewhere.sign_up()
    clock.advance(DAY_S)
    third = await elsewhere.return_by_key(third["device"])
    assert (await inside(gate, third, "PUT", "/v1/me/pin", pin="1234")).status == 200


async def test_a_code_is_left_out_only_where_the_number_was_proved_otherwise(
    owner: Newcomer,
) -> None:
    await owner.start()
    body = {"secret": owner.secret, "name": "سارا"}
    answer = await ask(owner.door, "POST", f"/v1/signup/{owner.id}/verify", json=body)
    assert answer.refusal == (400, "code_malformed")
