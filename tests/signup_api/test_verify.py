"""Showing the code."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.tokens import check_access_token
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer, refresh


async def test_the_right_code_and_a_name_make_an_account(
    newcomer: Newcomer, clock: FakeClock, keys: Keys
) -> None:
    await newcomer.start()
    answer = await newcomer.verify(await newcomer.code(), "  سارا‌جان ")
    now = to_ms(clock.now())
    assert answer.status == 200
    assert (answer["name"], answer["is_new"]) == ("سارا‌جان", True)
    assert answer["access_expires_at"] == now + 900_000
    assert answer["refresh_expires_at"] == now + 90 * 86_400_000
    caller = check_access_token(keys.access_token, answer["access_token"], clock.now())
    assert (caller.user, caller.device) == (answer["user"], answer["device"])
    assert (await newcomer.status())["state"] == "verified"
    assert (await newcomer.status())["next"] == []


async def test_a_known_number_comes_back_to_its_account_and_keeps_its_name(
    door: Door, clock: FakeClock
) -> None:
    newcomer = Newcomer(door, clock)
    first = await newcomer.sign_up("سارا")
    elsewhere = Newcomer(door, clock, newcomer.phone)
    again = await elsewhere.sign_up("somebody else\u0000")
    assert (again["user"], again["name"], again["is_new"]) == (first["user"], "سارا", False)
    assert again["device"] != first["device"]
    assert (await refresh(door, first["refresh_token"])).status == 200


@pytest.mark.parametrize(
    "spelled",
    [
        lambda code: code.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")),
        lambda code: code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        lambda code: f" {code[:3]} {code[3:]}\n",
        lambda code: f"\u200f{code[:3]}\u200c{code[3:]}\u2069",
    ],
)
async def test_a_code_is_understood_however_it_was_typed(
    newcomer: Newcomer, spelled: object
) -> None:
    assert callable(spelled)
    await newcomer.start()
    assert (await newcomer.verify(spelled(await newcomer.code()))).status == 200


@pytest.mark.parametrize("text", ["", "12345", "1234567", "12345a", "१२३४५६", "½23456", "x" * 9000])
async def test_what_is_no_code_uses_up_no_try(newcomer: Newcomer, text: str) -> None:
    await newcomer.start()
    assert (await newcomer.verify(text)).refusal == (400, "code_malformed")
    assert (await newcomer.status())["tries_left"] == 5


async def test_after_five_wrong_codes_the_right_one_is_refused(newcomer: Newcomer) -> None:
    await newcomer.start()
    code = await newcomer.code()
    for left, answer in zip((4, 3, 2, 1, 0), await newcomer.try_wrong(), strict=True):
        assert (answer.refusal, answer["tries_left"]) == ((403, "code_wrong"), left)
    assert (await newcomer.verify(code)).refusal == (429, "tries_exhausted")
    status = await newcomer.status()
    assert (status["state"], status["tries_left"], status["next"]) == ("locked", 0, [])
    assert (await newcomer.send_again()).refusal == (429, "tries_exhausted")


async def test_after_the_first_wrong_code_each_further_try_waits_longer(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start()
    code, wrong = await newcomer.code(), await newcomer.wrong_code()
    assert (await newcomer.verify(wrong)).refusal == (403, "code_wrong")
    for delay_s in (5, 15, 30):
        assert (await newcomer.verify(wrong)).refusal == (403, "code_wrong")
        early = await newcomer.verify(code)
        assert (early.refusal, early["retry_after"]) == ((429, "rate_limited"), delay_s)
        status = await newcomer.status()
        assert status["try_again_at"] == to_ms(clock.now()) + delay_s * 1000
        clock.advance(delay_s)
    assert (await newcomer.verify(code)).status == 200


async def test_wrong_codes_at_the_same_moment_are_each_counted(newcomer: Newcomer) -> None:
    await newcomer.start()
    wrong = await newcomer.wrong_code()
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(newcomer.verify(wrong)) for _ in range(9)]
    refusals = sorted(item.result().refusal for item in tries)
    assert refusals == [(403, "code_wrong")] * 2 + [(429, "rate_limited")] * 7
    assert (await newcomer.status())["tries_left"] == 3


async def test_after_a_lock_a_new_challenge_can_be_started(newcomer: Newcomer) -> None:
    await newcomer.start()
    await newcomer.try_wrong()
    locked = newcomer.id
    assert (await newcomer.start_and_wait()).status == 200
    assert newcomer.id != locked
    await newcomer.texts(2)
    assert (await newcomer.verify(await newcomer.code())).status == 200


async def test_ten_wrong_codes_an_hour_and_fifteen_a_day_close_the_number(
    door: Door, clock: FakeClock
) -> None:
    victim = Newcomer(door, clock)
    began = clock.now()
    for _ in range(2):
        attacker = Newcomer(door, clock, victim.phone)
        await attacker.start_and_wait()
        assert {answer.refusal for answer in await attacker.try_wrong()} == {(403, "code_wrong")}
    assert (await victim.start()).refusal == (429, "tries_exhausted")
    clock.set(began + timedelta(hours=1, minutes=5))
    await victim.start_and_wait()
    attacker = Newcomer(door, clock, victim.phone)
    await attacker.start_and_wait()
    await attacker.try_wrong()
    assert (await victim.verify(await victim.code())).refusal == (429, "tries_exhausted")
    clock.set(began + timedelta(hours=23))
    assert (await victim.start()).refusal == (429, "tries_exhausted")
    clock.set(began + timedelta(hours=24, minutes=10))
    await victim.sign_up()


async def test_a_new_number_needs_a_name_and_the_code_stays_accepted(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start()
    code = await newcomer.code()
    clock.advance(599)
    for name in (None, "", " \u3000\n"):
        assert (await newcomer.verify(code, name)).refusal == (409, "name_required")
    status = await newcomer.status()
    assert (status["state"], status["tries_left"]) == ("accepted", 5)
    assert status["expires_at"] == to_ms(clock.now()) + 600_000
    clock.advance(599)
    answer = await newcomer.verify(code, "سارا")
    assert (answer.status, answer["is_new"]) == (200, True)


@pytest.mark.parametrize(
    "name", ["x" * 65, "a\u0000b", "a\nb", "\u202eevil", "\u200c\u200d", "\u3164", "\ufe0f"]
)
async def test_a_name_that_cannot_be_used_is_refused_and_the_code_stays_accepted(
    newcomer: Newcomer, name: str
) -> None:
    await newcomer.start()
    code = await newcomer.code()
    assert (await newcomer.verify(code, name)).refusal == (400, "name_invalid")
    assert (await newcomer.status())["state"] == "accepted"
    assert (await newcomer.verify(code, "سارا")).status == 200


async def test_an_accepted_code_lapses(newcomer: Newcomer, clock: FakeClock) -> None:
    await newcomer.start()
    code = await newcomer.code()
    await newcomer.verify(code, None)
    clock.advance(600)
    assert (await newcomer.status())["state"] == "expired"
    assert (await newcomer.verify(code, "سارا")).refusal == (410, "challenge_expired")


async def test_somebody_at_the_name_who_starts_again_is_still_there(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    first = await newcomer.start()
    await newcomer.verify(await newcomer.code(), None)
    clock.advance(60)
    again = await newcomer.start()
    assert (again["id"], again["state"]) == (first["id"], "accepted")
    assert (await newcomer.send_again()).status == 200
    assert (await newcomer.verify(await newcomer.code(), "سارا")).status == 200
    assert len(await newcomer.texts()) == 1


async def test_a_lost_answer_can_be_asked_for_again_for_ten_minutes(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start()
    code = await newcomer.code()
    first = await newcomer.verify(code)
    clock.advance(599)
    again = await newcomer.verify(code, "another name")
    assert again["access_expires_at"] == first["access_expires_at"] + 599_000
    for name in ("access_token", "access_expires_at"):
        assert first.body.pop(name) != again.body.pop(name)
    assert again == first
    assert (await refresh(newcomer.door, again["refresh_token"])).status == 200
    clock.advance(1)
    assert (await newcomer.verify(code)).refusal == (410, "challenge_expired")


async def test_asking_again_needs_the_right_code_and_wrong_ones_are_counted(
    newcomer: Newcomer,
) -> None:
    await newcomer.sign_up()
    code = await newcomer.code()
    assert {answer.refusal for answer in await newcomer.try_wrong()} == {(403, "code_wrong")}
    assert (await newcomer.verify(code)).refusal == (429, "tries_exhausted")


async def test_a_used_code_is_not_sent_again(newcomer: Newcomer, clock: FakeClock) -> None:
    await newcomer.sign_up()
    clock.advance(60)
    assert (await newcomer.send_again()).refusal == (409, "wrong_state")


async def test_after_the_session_ended_the_code_does_not_bring_it_back(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    session = await newcomer.sign_up()
    second = await refresh(newcomer.door, session["refresh_token"])
    await refresh(newcomer.door, second["refresh_token"])
    reused = await refresh(newcomer.door, session["refresh_token"])
    assert reused.refusal == (401, "refresh_token_reused")
    assert (await newcomer.verify(await newcomer.code())).refusal == (410, "challenge_expired")


async def test_verifying_at_the_same_moment_makes_one_account_and_one_device(
    newcomer: Newcomer, database: Database
) -> None:
    await newcomer.start()
    code = await newcomer.code()
    async with asyncio.TaskGroup() as tasks:
        verifies = [tasks.create_task(newcomer.verify(code)) for _ in range(6)]
    answers = [item.result() for item in verifies]
    assert {answer.status for answer in answers} == {200}
    assert len({(answer["user"], answer["device"]) for answer in answers}) == 1
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert await _count(database, "users") == await _count(database, "devices") == 1


async def test_two_challenges_of_one_number_at_the_same_moment_make_one_account(
    door: Door, clock: FakeClock, database: Database
) -> None:
    one = Newcomer(door, clock)
    other = Newcomer(door, clock, one.phone)
    await one.start_and_wait()
    await other.start_and_wait()
    codes = await one.codes()
    async with asyncio.TaskGroup() as tasks:
        verifies = [
            tasks.create_task(somebody.verify(code))
            for somebody, code in zip((one, other), codes, strict=True)
        ]
    answers = [item.result() for item in verifies]
    assert {answer["user"] for answer in answers} == {answers[0]["user"]}
    assert sorted(answer["is_new"] for answer in answers) == [False, True]
    assert await _count(database, "users") == 1


async def _count(database: Database, table: str) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
