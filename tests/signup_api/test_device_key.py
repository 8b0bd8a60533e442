"""Coming back with the device's own key: no code, no sender."""

from __future__ import annotations

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hodhod_server.domain.clock import to_ms
from tests.clock import FakeClock
from tests.newcomers import Door, Newcomer, ask, refresh


async def test_a_device_comes_back_by_its_key_without_a_text(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    session = await newcomer.sign_up("سارا")
    clock.advance(400 * 86_400)
    answer = await newcomer.return_by_key(session["device"])
    assert answer.status == 200
    for name in ("user", "device", "name"):
        assert answer[name] == session[name]
    assert answer["is_new"] is False
    assert len(await newcomer.texts()) == 1
    assert (await refresh(newcomer.door, answer["refresh_token"])).status == 200


async def test_the_tokens_before_a_return_are_withdrawn(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    session = await newcomer.sign_up()
    returned = await newcomer.return_by_key(session["device"])
    answer = await refresh(newcomer.door, session["refresh_token"])
    assert answer.refusal == (401, "refresh_token_invalid")
    assert (await refresh(newcomer.door, returned["refresh_token"])).status == 200


async def test_a_signature_works_once_and_shuts_out_all_before_it(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    device = (await newcomer.sign_up())["device"]
    now = to_ms(clock.now())
    assert (await newcomer.return_by_key(device, now)).status == 200
    for at in (now, now - 1):
        assert (await newcomer.return_by_key(device, at)).refusal == (403, "signature_invalid")
    assert (await newcomer.return_by_key(device, now + 1)).status == 200


async def test_one_signature_at_the_same_moment_lets_in_once(newcomer: Newcomer) -> None:
    device = (await newcomer.sign_up())["device"]
    async with asyncio.TaskGroup() as tasks:
        returns = [tasks.create_task(newcomer.return_by_key(device)) for _ in range(6)]
    assert sorted(item.result().status for item in returns) == [200] + [403] * 5


@pytest.mark.parametrize("skew_ms", [-300_001, 300_001])
async def test_a_clock_that_is_off_is_told_the_servers_time(
    newcomer: Newcomer, clock: FakeClock, skew_ms: int
) -> None:
    device = (await newcomer.sign_up())["device"]
    now = to_ms(clock.now())
    answer = await newcomer.return_by_key(device, now + skew_ms)
    assert (answer.refusal, answer["server_time"]) == ((403, "clock_skewed"), now)
    assert (await newcomer.return_by_key(device, answer["server_time"])).status == 200


@pytest.mark.parametrize("skew_ms", [-300_000, 300_000])
async def test_a_clock_that_is_slightly_off_is_accepted(
    newcomer: Newcomer, clock: FakeClock, skew_ms: int
) -> None:
    device = (await newcomer.sign_up())["device"]
    assert (await newcomer.return_by_key(device, to_ms(clock.now()) + skew_ms)).status == 200


async def test_without_a_right_signature_nothing_is_told_about_devices(
    door: Door, clock: FakeClock
) -> None:
    newcomer, keyless = Newcomer(door, clock), Newcomer(door, clock)
    keyless.key = None
    known = (await newcomer.sign_up())["device"]
    without_key = (await keyless.sign_up())["device"]
    ended = Newcomer(door, clock)
    ended_device = await _end(ended)
    stranger = Newcomer(door, clock)
    for device in (known, without_key, ended_device, 999_999, 2**53 - 1):
        answer = await stranger.return_by_key(device)
        assert answer.refusal == (403, "signature_invalid"), device
    assert (await ended.return_by_key(ended_device)).refusal == (404, "device_not_found")


@pytest.mark.parametrize("signature", ["", "x", "A" * 86, "A" * 1000, "ب", "====", "!"])
async def test_what_is_no_signature_is_refused(newcomer: Newcomer, signature: str) -> None:
    device = (await newcomer.sign_up())["device"]
    body = newcomer.signed_return(device) | {"signature": signature}
    answer = await ask(newcomer.door, "POST", "/v1/sessions/device-key", json=body)
    assert answer.refusal == (403, "signature_invalid")


async def test_a_signature_is_bound_to_its_device_and_its_moment(
    door: Door, clock: FakeClock
) -> None:
    one = Newcomer(door, clock)
    other = Newcomer(door, clock)
    other.key = one.key
    device, other_device = (await one.sign_up())["device"], (await other.sign_up())["device"]
    body = one.signed_return(device)
    for change in ({"device": other_device}, {"at": body["at"] + 1}):
        answer = await ask(door, "POST", "/v1/sessions/device-key", json=body | change)
        assert answer.refusal == (403, "signature_invalid")


async def test_another_key_does_not_let_in(newcomer: Newcomer) -> None:
    device = (await newcomer.sign_up())["device"]
    newcomer.key = Ed25519PrivateKey.generate()
    assert (await newcomer.return_by_key(device)).refusal == (403, "signature_invalid")


async def _end(newcomer: Newcomer) -> int:
    """Sign up and have the session ended by a reused token."""
    session = await newcomer.sign_up()
    second = await refresh(newcomer.door, session["refresh_token"])
    await refresh(newcomer.door, second["refresh_token"])
    await refresh(newcomer.door, session["refresh_token"])
    return int(session["device"])
