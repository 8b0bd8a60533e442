"""Passkeys, with an authenticator in software."""

from __future__ import annotations

from typing import Any

import pytest

from hodhod_server.domain.keys import base64url
from hodhod_server.settings import ReturningSettings, Settings
from tests.clock import FakeClock
from tests.newcomers import Answer, Door, Newcomer, ask
from tests.returners import inside, set_pin
from tests.software_authenticator import DOMAIN, ORIGIN, PRESENT, SoftwareAuthenticator

INVALID = (403, "passkey_invalid")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    on = ReturningSettings(passkey_domain=DOMAIN, passkey_origins=(ORIGIN,))
    return settings.model_copy(update={"returning": on})


@pytest.fixture
async def owner(door: Door, clock: FakeClock) -> Newcomer:
    return Newcomer(door, clock)


async def _register(gate: Door, session: Answer, authenticator: SoftwareAuthenticator) -> Answer:
    asked = await inside(gate, session, "POST", "/v1/me/passkeys/options")
    assert asked.status == 201, asked
    made = authenticator.create(asked["options"])
    return await inside(gate, session, "POST", "/v1/me/passkeys", credential=made, name="گوشی")


async def _question(door: Door) -> dict[str, Any]:
    options: dict[str, Any] = (await ask(door, "POST", "/v1/sessions/passkey/options"))["options"]
    return options


async def _show(newcomer: Newcomer, credential: dict[str, Any]) -> Answer:
    body = {"credential": credential, "device": newcomer.device}
    return await ask(newcomer.door, "POST", "/v1/sessions/passkey", json=body)


async def _enter(newcomer: Newcomer, authenticator: SoftwareAuthenticator) -> Answer:
    return await _show(newcomer, authenticator.get(await _question(newcomer.door)))


async def test_a_passkey_lets_in_without_number_text_or_pin(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session, authenticator = await owner.sign_up(), SoftwareAuthenticator()
    await set_pin(gate, session)
    assert (await _register(gate, session, authenticator)).status == 201
    clock.advance(100 * 86_400)
    entered = await _enter(Newcomer(door, clock), authenticator)
    assert (entered.status, entered["user"]) == (200, session["user"])
    guards = await inside(gate, entered, "GET", "/v1/me/guards")
    assert (guards["passkeys"], guards["held_until"]) == (1, None)
    (listed,) = (await inside(gate, entered, "GET", "/v1/me/passkeys"))["passkeys"]
    assert (listed["id"], listed["name"]) == (base64url(authenticator.id), "گوشی")
    assert listed["used_at"] > listed["created_at"]


async def test_a_removed_passkey_lets_in_no_more(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session, authenticator = await owner.sign_up(), SoftwareAuthenticator()
    other = await Newcomer(door, clock).sign_up()
    await _register(gate, session, authenticator)
    path = f"/v1/me/passkeys/{base64url(authenticator.id)}"
    assert (await inside(gate, other, "DELETE", path)).refusal == (404, "not_found")
    assert (await inside(gate, session, "DELETE", path)).status == 200
    assert (await inside(gate, session, "DELETE", path)).refusal == (404, "not_found")
    assert (await _enter(owner, authenticator)).refusal == INVALID


async def test_an_answer_is_taken_once_and_in_its_time(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session, authenticator = await owner.sign_up(), SoftwareAuthenticator()
    await _register(gate, session, authenticator)
    shown = authenticator.get(await _question(door))
    assert (await _show(owner, shown)).status == 200
    assert (await _show(owner, shown)).refusal == INVALID
    late = authenticator.get(await _question(door))
    clock.advance(300)
    assert (await _show(owner, late)).refusal == INVALID


async def test_a_copy_whose_count_does_not_rise_is_refused(
    owner: Newcomer, door: Door, gate: Door
) -> None:
    session, authenticator = await owner.sign_up(), SoftwareAuthenticator()
    authenticator.count = 5
    await _register(gate, session, authenticator)
    authenticator.count = 6
    assert (await _enter(owner, authenticator)).status == 200
    assert (await _enter(owner, authenticator)).refusal == INVALID
    authenticator.count = 5
    assert (await _enter(owner, authenticator)).refusal == INVALID
    authenticator.count = 7
    assert (await _enter(owner, authenticator)).status == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [("origin", "https://evil.example"), ("domain", "evil.example"), ("flags", PRESENT)],
)
async def test_another_page_another_domain_and_no_unlocking_are_refused(
    owner: Newcomer, door: Door, gate: Door, member: str, value: object
) -> None:
    session, authenticator = await owner.sign_up(), SoftwareAuthenticator()
    good = getattr(authenticator, member)
    setattr(authenticator, member, value)
    assert (await _register(gate, session, authenticator)).refusal == INVALID
    setattr(authenticator, member, good)
    assert (await _register(gate, session, authenticator)).status == 201
    setattr(authenticator, member, value)
    assert (await _enter(owner, authenticator)).refusal == INVALID


async def test_a_question_is_for_one_purpose_and_one_person(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session, authenticator = await owner.sign_up(), SoftwareAuthenticator()
    other = await Newcomer(door, clock).sign_up()
    asked = (await inside(gate, session, "POST", "/v1/me/passkeys/options"))["options"]
    for options in (asked, await _question(door), {"challenge": base64url(b"x" * 40)}):
        made = authenticator.create(options)
        answer = await inside(gate, other, "POST", "/v1/me/passkeys", credential=made)
        assert answer.refusal == INVALID
    await _register(gate, session, authenticator)
    assert (await _show(owner, authenticator.get(asked))).refusal == INVALID


@pytest.mark.parametrize("credential", [None, 5, [], {}, {"id": "x"}, {"response": {}}])
async def test_what_is_no_answer_of_an_authenticator_is_refused(
    owner: Newcomer, door: Door, gate: Door, credential: Any
) -> None:
    session = await owner.sign_up()
    assert (await _show(owner, credential)).refusal == INVALID
    answer = await inside(gate, session, "POST", "/v1/me/passkeys", credential=credential)
    assert answer.refusal == INVALID
    bent = SoftwareAuthenticator().get(await _question(door))
    bent["response"] = {"clientDataJSON": bent["response"]["clientDataJSON"]}
    assert (await _show(owner, bent)).refusal == INVALID


async def test_a_held_device_makes_no_passkey(
    owner: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    await owner.sign_up()
    held = await Newcomer(door, clock, owner.phone).sign_up()
    answer = await inside(gate, held, "POST", "/v1/me/passkeys/options")
    assert answer.refusal == (403, "held")
