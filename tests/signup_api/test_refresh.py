"""Coming back with a refresh token."""

from __future__ import annotations

import asyncio

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.keys import Keys
from hodhod_server.domain.tokens import check_access_token
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer, refresh

DAY_S = 86_400


async def test_a_refresh_token_gives_new_tokens_for_the_same_device(
    newcomer: Newcomer, clock: FakeClock, keys: Keys
) -> None:
    session = await newcomer.sign_up("سارا")
    clock.advance(1000)
    answer = await refresh(newcomer.door, session["refresh_token"])
    assert answer.status == 200
    for name in ("user", "device", "name"):
        assert answer[name] == session[name]
    assert answer["is_new"] is False
    assert answer["refresh_token"] != session["refresh_token"]
    assert answer["access_expires_at"] == to_ms(clock.now()) + 900_000
    assert answer["refresh_expires_at"] == to_ms(clock.now()) + 90 * DAY_S * 1000
    assert check_access_token(keys.access_token, answer["access_token"], clock.now()).user


async def test_a_chain_of_refreshes_goes_on_beyond_the_life_of_one_token(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    token = (await newcomer.sign_up())["refresh_token"]
    for _ in range(4):
        clock.advance(80 * DAY_S)
        answer = await refresh(newcomer.door, token)
        assert answer.status == 200
        token = answer["refresh_token"]


async def test_a_lost_answer_can_be_asked_for_again_while_its_token_is_unused(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    old = (await newcomer.sign_up())["refresh_token"]
    first = await refresh(newcomer.door, old)
    clock.advance(3600)
    again = await refresh(newcomer.door, old)
    assert again["refresh_token"] == first["refresh_token"]
    assert again["refresh_expires_at"] == first["refresh_expires_at"]
    assert again["access_expires_at"] == first["access_expires_at"] + 3_600_000
    assert (await refresh(newcomer.door, again["refresh_token"])).status == 200


async def test_an_old_token_proves_nothing_once_a_lost_answer_would_have_been_asked_for(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    old = (await newcomer.sign_up())["refresh_token"]
    newest = (await refresh(newcomer.door, old))["refresh_token"]
    clock.advance(3601)
    assert (await refresh(newcomer.door, old)).refusal == (401, "refresh_token_invalid")
    assert (await refresh(newcomer.door, newest)).status == 200


async def test_refreshes_at_the_same_moment_get_one_successor(newcomer: Newcomer) -> None:
    old = (await newcomer.sign_up())["refresh_token"]
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(refresh(newcomer.door, old)) for _ in range(6)]
    assert {item.result().status for item in tries} == {200}
    assert len({item.result()["refresh_token"] for item in tries}) == 1


async def test_an_old_token_after_its_successor_was_used_ends_the_session(
    newcomer: Newcomer, database: Database
) -> None:
    session = await newcomer.sign_up()
    second = await refresh(newcomer.door, session["refresh_token"])
    third = await refresh(newcomer.door, second["refresh_token"])
    reused = await refresh(newcomer.door, session["refresh_token"])
    assert reused.refusal == (401, "refresh_token_reused")
    for token in (session, second, third):
        answer = await refresh(newcomer.door, token["refresh_token"])
        assert answer.refusal == (401, "refresh_token_invalid")
    returned = await newcomer.return_by_key(session["device"])
    assert returned.refusal == (404, "device_not_found")
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT revoked_at FROM devices") is not None


async def test_the_end_of_one_session_leaves_the_others(door: Door, clock: FakeClock) -> None:
    newcomer = Newcomer(door, clock)
    stolen = await newcomer.sign_up()
    other = await Newcomer(door, clock, newcomer.phone).sign_up()
    second = await refresh(door, stolen["refresh_token"])
    await refresh(door, second["refresh_token"])
    await refresh(door, stolen["refresh_token"])
    assert (await refresh(door, other["refresh_token"])).status == 200


async def test_a_token_unused_for_ninety_days_has_expired(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    token = (await newcomer.sign_up())["refresh_token"]
    clock.advance(90 * DAY_S)
    assert (await refresh(newcomer.door, token)).refusal == (401, "refresh_token_invalid")


async def test_what_was_never_issued_is_invalid(newcomer: Newcomer) -> None:
    session = await newcomer.sign_up()
    for token in ("", "x", "🦎", "A" * 43, "\u0000", session["access_token"]):
        answer = await refresh(newcomer.door, token)
        assert answer.refusal == (401, "refresh_token_invalid")
