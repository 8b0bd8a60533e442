"""Authenticator apps, and changing one's number."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest

from tests.clock import FakeClock
from tests.newcomers import Answer, Door, Newcomer, ask
from tests.returners import by_recovery_key, inside, prove, recovery_key, set_pin


@pytest.fixture
def owner(door: Door, clock: FakeClock) -> Newcomer:
    return Newcomer(door, clock)


async def _enrol(gate: Door, session: Answer, clock: FakeClock) -> pyotp.TOTP:
    """An app whose next code is still unused."""
    answer = await inside(gate, session, "POST", "/v1/me/totp")
    assert answer.status == 201, answer
    app = pyotp.parse_uri(answer["uri"])
    assert isinstance(app, pyotp.TOTP)
    assert app.secret == answer["secret"]
    confirmed = await inside(gate, session, "POST", "/v1/me/totp/confirm", code=app.at(clock.now()))
    assert confirmed.status == 200, confirmed
    clock.advance(30)
    return app


async def test_an_app_guards_the_number_and_each_code_works_once(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    app = await _enrol(gate, session, clock)
    elsewhere = Newcomer(door, clock, owner.phone)
    await elsewhere.start()
    asked = await prove(elsewhere)
    assert asked.refusal == (409, "totp_required")
    assert asked["fresh_from"] > 0
    used = await prove(elsewhere, totp=app.at(clock.now() - timedelta(seconds=30)))
    assert (used.refusal, used["tries_left"]) == ((403, "totp_wrong"), 9)
    code = app.at(clock.now())
    entered = await prove(elsewhere, totp=f" {code[:3]} {code[3:]} ")
    assert (entered.status, entered["user"]) == (200, session["user"])
    assert (await inside(gate, entered, "GET", "/v1/me/guards"))["held_until"] is None
    third = Newcomer(door, clock, owner.phone)
    await third.start()
    assert (await prove(third, totp=code)).refusal == (403, "totp_wrong")


async def test_an_app_that_was_not_confirmed_guards_nothing(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    assert (await inside(gate, session, "POST", "/v1/me/totp")).status == 201
    wrong = await inside(gate, session, "POST", "/v1/me/totp/confirm", code="000000")
    assert wrong.refusal == (403, "totp_wrong")
    assert (await inside(gate, session, "GET", "/v1/me/guards"))["totp"] is False
    again = Newcomer(door, clock, owner.phone)
    assert (await again.sign_up())["user"] == session["user"]


async def test_an_app_is_replaced_only_after_it_was_removed_and_lifts_a_hold(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    held = await Newcomer(door, clock, owner.phone).sign_up()
    for method, path in (("POST", "/v1/me/totp"), ("DELETE", "/v1/me/totp")):
        assert (await inside(gate, held, method, path)).refusal == (403, "held")
    app = await _enrol(gate, session, clock)
    assert (await inside(gate, session, "POST", "/v1/me/totp")).refusal == (409, "wrong_state")
    lifted = await inside(gate, held, "POST", "/v1/me/hold/lift", totp=app.at(clock.now()))
    assert lifted.status == 200
    assert (await inside(gate, held, "DELETE", "/v1/me/totp")).status == 200
    assert (await inside(gate, session, "POST", "/v1/me/totp")).status == 201


async def _accepted(door: Door, clock: FakeClock, phone: str = "") -> Newcomer:
    """A proved number."""
    number = Newcomer(door, clock, phone)
    await number.start()
    body = {"secret": number.secret, "code": await number.code()}
    answer = await ask(door, "POST", f"/v1/signup/{number.id}/accept", json=body)
    assert (answer.status, answer["state"]) == (200, "accepted")
    return number


async def _change(gate: Door, session: Answer, number: Newcomer, **more: object) -> Answer:
    body = {"challenge": number.id, "secret": number.secret, **more}
    return await inside(gate, session, "POST", "/v1/me/number", **body)


async def test_a_number_is_changed_and_the_account_stays(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up("سارا")
    key = await recovery_key(gate, session)
    await set_pin(gate, session)
    number = await _accepted(door, clock)
    assert (await _change(gate, session, number)).refusal == (409, "pin_required")
    assert (await _change(gate, session, number, pin="2468")).status == 200
    assert (await inside(gate, session, "GET", "/v1/me"))["phone"] == number.phone
    assert (await by_recovery_key(door, owner, key)).refusal == (403, "recovery_key_invalid")
    assert (await by_recovery_key(door, number, key)).refusal == (403, "recovery_key_invalid")
    assert (await Newcomer(door, clock, owner.phone).sign_up("رضا"))["is_new"] is True
    elsewhere = Newcomer(door, clock, number.phone)
    await elsewhere.start()
    assert (await prove(elsewhere, pin="2468"))["user"] == session["user"]


async def test_a_number_of_somebody_else_is_not_taken_unless_it_is_free(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    other = Newcomer(door, clock)
    theirs = await other.sign_up()
    clock.advance(31 * 86_400)
    session = await owner.sign_up()
    back = await other.return_by_key(theirs["device"])
    number = await _accepted(door, clock, other.phone)
    assert (await _change(gate, session, number)).refusal == (409, "number_taken")
    clock.advance(31 * 86_400)
    session = await owner.return_by_key(session["device"])
    number = await _accepted(door, clock, other.phone)
    assert (await _change(gate, session, number)).status == 200
    back = await other.return_by_key(back["device"])
    assert (await inside(gate, back, "GET", "/v1/me"))["phone"] == ""


async def test_what_was_not_proved_or_was_used_changes_nothing(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await owner.sign_up()
    started = Newcomer(door, clock)
    await started.start()
    assert (await _change(gate, session, started)).refusal == (409, "wrong_state")
    number = await _accepted(door, clock)
    number.secret, secret = "wrong", number.secret
    assert (await _change(gate, session, number)).refusal == (404, "challenge_not_found")
    number.secret = secret
    assert (await _change(gate, session, number)).status == 200
    assert (await _change(gate, session, number)).refusal == (409, "wrong_state")
    late = await _accepted(door, clock)
    clock.advance(600)
    session = await owner.return_by_key(session["device"])
    assert (await _change(gate, session, late)).refusal == (410, "challenge_expired")
    held = await Newcomer(door, clock, number.phone).sign_up()
    assert (await _change(gate, held, late)).refusal == (403, "held")
