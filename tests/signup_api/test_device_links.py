"""A second device shows a picture, a signed-in one scans it."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hodhod_server.domain.clock import to_ms
from hodhod_server.domain.keys import base64url
from tests.clock import FakeClock
from tests.newcomers import Answer, Door, Newcomer, ask, refresh
from tests.returners import inside

OVER = (410, "device_link_invalid")


@pytest.fixture
def laptop(door: Door, clock: FakeClock) -> Newcomer:
    return Newcomer(door, clock)


async def _link(laptop: Newcomer) -> Answer:
    answer = await ask(laptop.door, "POST", "/v1/sessions/links", json={"device": laptop.device})
    assert answer.status == 201, answer
    return answer


async def _claim(laptop: Newcomer, link: Answer, *, wait_s: float = 0, skew_ms: int = 0) -> Answer:
    assert laptop.key is not None
    at = to_ms(laptop.clock.now()) + skew_ms
    signature = laptop.key.sign(f"hodhod link v1\n{link['id']}\n{at}".encode())
    body = {"link": link["link"], "at": at, "signature": base64url(signature), "wait_s": wait_s}
    return await ask(laptop.door, "POST", "/v1/sessions/links/claim", json=body)


async def test_a_scanned_device_is_let_in_without_a_text(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await Newcomer(door, clock).sign_up()
    link = await _link(laptop)
    assert link["link"].startswith("hodhod://link/")
    waiting = await _claim(laptop, link)
    assert (waiting.status, waiting["state"]) == (202, "waiting")
    seen = await inside(gate, session, "POST", "/v1/me/links/look", link=link["link"])
    assert (seen["name"], seen["platform"]) == ("Pixel 9", "android")
    done = await inside(gate, session, "POST", "/v1/me/links/approve", link=link["link"])
    assert done.status == 200
    first, again = await _claim(laptop, link), await _claim(laptop, link)
    assert (first.status, first["user"]) == (200, session["user"])
    assert first["refresh_token"] == again["refresh_token"]
    assert first["device"] == again["device"] != session["device"]
    assert (await inside(gate, first, "GET", "/v1/me/guards"))["held_until"] is None
    assert (await laptop.return_by_key(first["device"])).status == 200
    assert (await refresh(door, first["refresh_token"])).refusal == (401, "refresh_token_invalid")


async def test_who_waits_is_answered_when_it_is_approved(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await Newcomer(door, clock).sign_up()
    link = await _link(laptop)
    async with asyncio.TaskGroup() as tasks:
        claim = tasks.create_task(_claim(laptop, link, wait_s=20))
        await inside(gate, session, "POST", "/v1/me/links/approve", link=link["link"])
    assert claim.result().status == 200


async def test_a_link_is_approved_once(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    one, other = await Newcomer(door, clock).sign_up(), await Newcomer(door, clock).sign_up()
    link = await _link(laptop)
    assert (
        await inside(gate, one, "POST", "/v1/me/links/approve", link=link["link"])
    ).status == 200
    again = await inside(gate, other, "POST", "/v1/me/links/approve", link=link["link"])
    assert again.refusal == OVER
    assert (await _claim(laptop, link))["user"] == one["user"]


async def test_a_link_lives_two_minutes_and_so_does_its_approval(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await Newcomer(door, clock).sign_up()
    late, slow = await _link(laptop), await _link(laptop)
    clock.advance(119)
    await inside(gate, session, "POST", "/v1/me/links/approve", link=slow["link"])
    clock.advance(1)
    for path in ("look", "approve"):
        answer = await inside(gate, session, "POST", f"/v1/me/links/{path}", link=late["link"])
        assert answer.refusal == OVER
    assert (await _claim(laptop, late)).refusal == OVER
    clock.advance(119)
    assert (await _claim(laptop, slow)).refusal == OVER


async def test_the_picture_alone_lets_nobody_in(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    session = await Newcomer(door, clock).sign_up()
    link = await _link(laptop)
    await inside(gate, session, "POST", "/v1/me/links/approve", link=link["link"])
    laptop.key = Ed25519PrivateKey.generate()
    assert (await _claim(laptop, link)).refusal == (403, "signature_invalid")
    assert (await _claim(laptop, link, skew_ms=-300_001)).refusal == (403, "clock_skewed")


@pytest.mark.parametrize("text", ["", "x", "hodhod://link/", "hodhod://link/a.b", "ب.ب"])
async def test_what_is_no_link_of_ours_is_refused(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock, text: str
) -> None:
    session = await Newcomer(door, clock).sign_up()
    assert (await inside(gate, session, "POST", "/v1/me/links/approve", link=text)).refusal == OVER
    changed = (await _link(laptop))["link"][:-1] + "!"
    answer = await inside(gate, session, "POST", "/v1/me/links/look", link=changed)
    assert answer.refusal == OVER


async def test_a_held_device_links_nothing_and_a_device_without_a_key_is_not_linked(
    laptop: Newcomer, door: Door, gate: Door, clock: FakeClock
) -> None:
    owner = Newcomer(door, clock)
    await owner.sign_up()
    held = await Newcomer(door, clock, owner.phone).sign_up()
    link = await _link(laptop)
    answer = await inside(gate, held, "POST", "/v1/me/links/approve", link=link["link"])
    assert answer.refusal == (403, "held")
    laptop.key = None
    keyless = await ask(door, "POST", "/v1/sessions/links", json={"device": laptop.device})
    assert keyless.refusal == (400, "malformed")
