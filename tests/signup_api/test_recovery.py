"""Coming back by a key that was kept: no text."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from hodhod_server.domain.keys import base64url
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer, refresh
from tests.returners import by_recovery_key, by_tokens, inside, recovery_key, set_pin


async def test_a_new_phone_comes_in_by_the_recovery_key_without_a_text(
    door: Door, gate: Door, clock: FakeClock
) -> None:
    newcomer = Newcomer(door, clock)
    session = await newcomer.sign_up("سارا")
    key = await recovery_key(gate, session)
    clock.advance(400 * 86_400)
    elsewhere = Newcomer(door, clock, newcomer.phone)
    answer = await by_recovery_key(door, elsewhere, key)
    assert (answer.status, answer["user"], answer["is_new"]) == (200, session["user"], False)
    assert answer["device"] != session["device"]
    assert len(await newcomer.texts()) == 1
    assert (await refresh(door, answer["refresh_token"])).status == 200
    assert (await inside(gate, answer, "GET", "/v1/me/guards"))["held_until"] is None


async def test_a_client_may_bring_its_own_key(door: Door, gate: Door, clock: FakeClock) -> None:
    newcomer = Newcomer(door, clock)
    session = await newcomer.sign_up()
    key = base64url(secrets.token_bytes(32))
    made = await inside(gate, session, "POST", "/v1/me/recovery-key", key=key)
    assert (made.status, made["key"]) == (201, key)
    assert (await by_recovery_key(door, newcomer, f" {key}\n")).status == 200
    wrong = await inside(gate, session, "POST", "/v1/me/recovery-key", key="short")
    assert wrong.refusal == (400, "malformed")


async def test_a_lost_answer_leaves_one_device(door: Door, gate: Door, clock: FakeClock) -> None:
    session = await (newcomer := Newcomer(door, clock)).sign_up()
    key = await recovery_key(gate, session)
    elsewhere = Newcomer(door, clock, newcomer.phone)
    first = await by_recovery_key(door, elsewhere, key)
    again = await by_recovery_key(door, elsewhere, key)
    assert again["device"] == first["device"]
    assert (await refresh(door, first["refresh_token"])).refusal == (401, "refresh_token_invalid")
    assert (await refresh(door, again["refresh_token"])).status == 200


async def test_a_new_key_takes_the_place_of_the_old_and_a_removed_one_is_gone(
    door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await (newcomer := Newcomer(door, clock)).sign_up()
    old, new = await recovery_key(gate, session), await recovery_key(gate, session)
    assert (await by_recovery_key(door, newcomer, old)).refusal == (403, "recovery_key_invalid")
    assert (await by_recovery_key(door, newcomer, new)).status == 200
    assert (await inside(gate, session, "DELETE", "/v1/me/recovery-key")).status == 200
    assert (await by_recovery_key(door, newcomer, new)).refusal == (403, "recovery_key_invalid")


@pytest.mark.parametrize("key", ["", "x", "A" * 43, "A" * 64, "ب", "===="])
async def test_answers_are_the_same_for_numbers_with_and_without_an_account(
    door: Door, gate: Door, clock: FakeClock, key: str
) -> None:
    known, unknown = Newcomer(door, clock), Newcomer(door, clock)
    await recovery_key(gate, await known.sign_up())
    answers = [await by_recovery_key(door, one, key) for one in (known, unknown)]
    for answer in answers:
        assert answer.refusal == (403, "recovery_key_invalid")
        del answer.body["request_id"]
    assert answers[0] == answers[1]


async def test_a_key_belongs_to_its_number(door: Door, gate: Door, clock: FakeClock) -> None:
    one, other = Newcomer(door, clock), Newcomer(door, clock)
    key = await recovery_key(gate, await one.sign_up())
    await other.sign_up()
    assert (await by_recovery_key(door, other, key)).refusal == (403, "recovery_key_invalid")


async def test_tries_are_bounded_for_every_number_and_come_back(
    door: Door, clock: FakeClock
) -> None:
    nobody = Newcomer(door, clock)
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(by_recovery_key(door, nobody, "x")) for _ in range(12)]
    refusals = sorted(item.result().refusal for item in tries)
    assert refusals == [(403, "recovery_key_invalid")] * 10 + [(429, "tries_exhausted")] * 2
    clock.advance(360)
    assert (await by_recovery_key(door, nobody, "x")).refusal == (403, "recovery_key_invalid")
    assert (await by_recovery_key(door, nobody, "x")).refusal == (429, "tries_exhausted")


async def test_who_signed_out_comes_back_by_the_token_it_kept(
    door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await (newcomer := Newcomer(door, clock)).sign_up()
    token = (await inside(gate, session, "POST", "/v1/me/sign-out"))["return_token"]
    assert (await inside(gate, session, "GET", "/v1/me")).refusal == (401, "unauthenticated")
    clock.advance(89 * 86_400)
    others = [base64url(secrets.token_bytes(32)) for _ in range(19)]
    answer = await by_tokens(door, newcomer, [*others, token])
    assert (answer.status, answer["user"]) == (200, session["user"])
    assert len(await newcomer.texts()) == 1
    clock.advance(601)
    assert (await by_tokens(door, newcomer, [token])).refusal == (403, "recovery_key_invalid")


async def test_a_token_of_a_sign_out_ends_by_itself(
    door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await (newcomer := Newcomer(door, clock)).sign_up()
    token = (await inside(gate, session, "POST", "/v1/me/sign-out"))["return_token"]
    assert (await by_recovery_key(door, newcomer, token)).refusal == (403, "recovery_key_invalid")
    clock.advance(90 * 86_400)
    assert (await by_tokens(door, newcomer, [token])).refusal == (403, "recovery_key_invalid")


async def test_a_key_does_not_spare_the_pin(door: Door, gate: Door, clock: FakeClock) -> None:
    session = await (newcomer := Newcomer(door, clock)).sign_up()
    key = await recovery_key(gate, session)
    await set_pin(gate, session)
    elsewhere = Newcomer(door, clock, newcomer.phone)
    assert (await by_recovery_key(door, elsewhere, key)).refusal == (409, "pin_required")
    wrong = await by_recovery_key(door, elsewhere, key, pin="0000")
    assert (wrong.refusal, wrong["tries_left"]) == ((403, "pin_wrong"), 9)
    assert (await by_recovery_key(door, elsewhere, key, pin="۲۴۶۸")).status == 200
