"""A device that is signed in already lets another one in."""

from __future__ import annotations

import pytest

from hodhod_server.domain.clock import to_ms
from tests.clock import FakeClock
from tests.newcomers import Answer, Door, Newcomer, ask
from tests.returners import inside, set_pin


@pytest.fixture
def owner(door: Door, clock: FakeClock) -> Newcomer:
    return Newcomer(door, clock)


async def _approve(gate: Door, session: Answer, challenge: str, number: int) -> Answer:
    path = f"/v1/me/sign-ins/{challenge}/approve"
    return await inside(gate, session, "POST", path, number=number)


async def _enter(newcomer: Newcomer, **body: object) -> Answer:
    path = f"/v1/signup/{newcomer.id}/verify"
    return await ask(newcomer.door, "POST", path, json={"secret": newcomer.secret, **body})


async def test_a_new_phone_comes_in_by_the_word_of_the_old_one(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    await set_pin(gate, session)
    elsewhere = Newcomer(door, clock, owner.phone)
    started = await elsewhere.start()
    (asked,) = (await inside(gate, session, "GET", "/v1/me/sign-ins"))["sign_ins"]
    assert (asked["challenge"], asked["name"], asked["at"]) == (
        elsewhere.id,
        "Pixel 9",
        to_ms(clock.now()),
    )
    assert len(set(asked["numbers"])) == 3
    assert started["sign_in_number"] in asked["numbers"]
    approved = await _approve(gate, session, elsewhere.id, started["sign_in_number"])
    assert approved.status == 200, approved
    assert (await elsewhere.status())["state"] == "accepted"
    entered = await _enter(elsewhere)
    assert (entered.status, entered["user"]) == (200, session["user"])
    assert (await inside(gate, entered, "GET", "/v1/me/guards"))["held_until"] is None
    assert (await _enter(elsewhere))["device"] == entered["device"]
    assert (await inside(gate, session, "GET", "/v1/me/sign-ins"))["sign_ins"] == []


async def test_the_number_is_asked_once(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    elsewhere = Newcomer(door, clock, owner.phone)
    right = (await elsewhere.start())["sign_in_number"]
    wrong = await _approve(gate, session, elsewhere.id, right + 1)
    assert wrong.refusal == (403, "sign_in_number_wrong")
    again = await _approve(gate, session, elsewhere.id, right)
    assert again.refusal == (429, "tries_exhausted")
    assert (await _enter(elsewhere)).refusal == (400, "code_malformed")
    assert (await _enter(elsewhere, code=await elsewhere.code())).status == 200


async def test_a_refused_sign_in_is_over_and_the_number_is_not(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    thief = Newcomer(door, clock, owner.phone)
    await thief.start()
    code = await thief.code()
    refused = await inside(gate, session, "POST", f"/v1/me/sign-ins/{thief.id}/refuse")
    assert refused.status == 200
    assert (await thief.status())["state"] == "locked"
    assert (await _enter(thief, code=code)).refusal == (429, "tries_exhausted")
    clock.advance(60)
    assert (await Newcomer(door, clock, owner.phone).sign_up())["user"] == session["user"]


async def test_only_the_owner_of_the_number_is_asked_and_may_answer(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    await owner.sign_up()
    other = await Newcomer(door, clock).sign_up()
    elsewhere = Newcomer(door, clock, owner.phone)
    number = (await elsewhere.start())["sign_in_number"]
    assert (await inside(gate, other, "GET", "/v1/me/sign-ins"))["sign_ins"] == []
    for answer in (
        await _approve(gate, other, elsewhere.id, number),
        await inside(gate, other, "POST", f"/v1/me/sign-ins/{elsewhere.id}/refuse"),
        await inside(gate, other, "POST", "/v1/me/sign-ins/nothing/refuse"),
    ):
        assert answer.refusal == (404, "challenge_not_found")


async def test_a_held_device_lets_nobody_in(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    await owner.sign_up()
    held = await Newcomer(door, clock, owner.phone).sign_up()
    third = Newcomer(door, clock, owner.phone)
    number = (await third.start())["sign_in_number"]
    assert (await _approve(gate, held, third.id, number)).refusal == (403, "held")
    answer = await inside(gate, held, "POST", f"/v1/me/sign-ins/{third.id}/refuse")
    assert answer.refusal == (403, "held")


async def test_an_old_sign_in_cannot_be_approved(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    elsewhere = Newcomer(door, clock, owner.phone)
    number = (await elsewhere.start())["sign_in_number"]
    clock.advance(601)
    assert (await _approve(gate, session, elsewhere.id, number)).refusal == (409, "wrong_state")


async def test_every_start_is_shown_a_number(door: Door, clock: FakeClock) -> None:
    unknown = await Newcomer(door, clock).start()
    assert 10 <= unknown["sign_in_number"] <= 99
