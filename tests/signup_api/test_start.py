"""Asking for a code."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hodhod_server.domain.clock import to_ms
from tests.clock import FakeClock
from tests.newcomers import Answer, Door, Newcomer, ask

SPELLINGS = (
    "09123456789",
    "9123456789",
    "+989123456789",
    "00989123456789",
    "989123456789",
    "+98 912 345 6789",
    "0912-345-67-89",
    "(0912) 345.6789",
    "+98 (0) 912 345 6789",
    "۰۹۱۲۳۴۵۶۷۸۹",
    "٠٩١٢٣٤٥٦٧٨٩",
    "+۹۸ ۹۱۲ ۳۴۵ ۶۷۸۹",
    "\u200e09123456789\u200f",
    "0912\u200c345\u200c6789",
    " 0912\u00a0345\u20096789\n",
    "۰۹۱۲–۳۴۵–۶۷۸۹",
)


async def test_a_challenge_is_answered_at_once_and_tells_what_to_wait_for(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    now = to_ms(clock.now())
    answer = await newcomer.start()
    assert answer.status == 201
    assert len(answer.body.pop("id")) >= 22
    assert len(answer.body.pop("secret")) >= 43
    assert len(answer.body.pop("tag")) == 2
    eta = answer.body.pop("eta")
    assert eta is None or 0 <= eta["p50"] <= eta["p90"] < 1
    assert 10 <= answer.body.pop("sign_in_number") <= 99
    assert answer.body == {
        "version": 1,
        "state": "queued",
        "channel": "sms",
        "sent_at": None,
        "expires_at": None,
        "next": [{"channel": "sms", "at": now}],
        "tries_left": 5,
        "try_again_at": None,
        "code_length": 6,
        "inbound": None,
        "come_back_at": None,
    }


async def test_once_it_is_sent_the_next_text_is_told(newcomer: Newcomer, clock: FakeClock) -> None:
    now = to_ms(clock.now())
    started = await newcomer.start()
    sent = await newcomer.wait_for("sent")
    assert sent["version"] > started["version"]
    assert (sent["sent_at"], sent["expires_at"], sent["eta"]) == (now, now + 600_000, None)
    assert sent["next"] == [{"channel": "sms", "at": now + 20_000}]
    assert sent["tag"] == started["tag"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_every_spelling_of_a_number_is_the_same_number(
    door: Door, clock: FakeClock, spelling: str
) -> None:
    somebody = Newcomer(door, clock, spelling)
    assert (await somebody.start()).status == 201
    somebody.phone = "+989123456789"
    assert len(await somebody.texts(1)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "0912345678",
        "091234567890",
        "02188776655",
        "+982188776655",
        "+1",
        "0912-FLOWERS",
        "tel:+989123456789",
        "+98912345678\u0000",
        "+989123456789;ext=5",
        "0" * 5000,
        "\U0001f98e",
    ],
)
async def test_what_is_no_mobile_number_is_refused(door: Door, clock: FakeClock, text: str) -> None:
    answer = await Newcomer(door, clock, text or " ").start()
    assert answer.refusal == (400, "phone_invalid")


async def test_the_same_device_asking_again_gets_the_same_challenge_and_no_second_text(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    first = await newcomer.start()
    await newcomer.wait_for("sent")
    clock.advance(15)
    again = await newcomer.start()
    assert (again["id"], again["secret"]) == (first["id"], first["secret"])
    assert again["state"] == "sent"
    assert len(await newcomer.texts()) == 1


async def test_starts_at_the_same_moment_send_one_text(newcomer: Newcomer) -> None:
    async with asyncio.TaskGroup() as tasks:
        starts = [tasks.create_task(newcomer.start()) for _ in range(6)]
    assert len({start.result()["id"] for start in starts}) == 1
    await newcomer.wait_for("sent")
    assert len(await newcomer.texts()) == 1


async def test_a_device_without_a_key_gets_a_new_challenge_each_time(newcomer: Newcomer) -> None:
    newcomer.key = None
    first, second = await newcomer.start(), await newcomer.start()
    assert first["id"] != second["id"]
    assert first["tag"] != second["tag"] or first["secret"] != second["secret"]
    assert len(await newcomer.texts(2)) == 2


async def test_two_devices_have_separate_challenges_and_each_accepts_only_its_code(
    door: Door, clock: FakeClock
) -> None:
    one = Newcomer(door, clock)
    other = Newcomer(door, clock, one.phone)
    await one.start()
    ones_code = await one.code()
    await other.start_and_wait()
    others_code = await other.code()
    assert one.id != other.id
    if ones_code != others_code:
        assert (await one.verify(others_code)).refusal == (403, "code_wrong")
    assert (await one.verify(ones_code)).status == 200


async def test_an_expired_challenge_is_followed_by_a_new_one(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    first = await newcomer.start()
    await newcomer.wait_for("sent")
    clock.advance(600)
    assert (await newcomer.status())["state"] == "expired"
    assert (await newcomer.start())["id"] != first["id"]


async def test_a_cancelled_challenge_is_over_and_the_next_start_is_a_new_one(
    newcomer: Newcomer,
) -> None:
    first = await newcomer.start_and_wait()
    assert (await newcomer.tell("cancel"))["state"] == "cancelled"
    code = await newcomer.code()
    assert (await newcomer.verify(code)).refusal == (409, "wrong_state")
    assert (await newcomer.send_again()).refusal == (409, "wrong_state")
    assert (await newcomer.start())["id"] != first["id"]


async def test_known_and_unknown_numbers_get_the_same_answers(door: Door, clock: FakeClock) -> None:
    known = Newcomer(door, clock)
    await known.sign_up()
    clock.advance(700)
    back, stranger = Newcomer(door, clock, known.phone), Newcomer(door, clock)

    async def seen(somebody: Newcomer) -> list[Answer]:
        answers = [await somebody.start(), await somebody.wait_for("sent")]
        answers.append(await somebody.verify(await somebody.wrong_code()))
        for answer in answers:
            for name in ("id", "secret", "tag", "eta", "request_id", "sign_in_number"):
                answer.body.pop(name, None)
        return answers

    assert await seen(back) == await seen(stranger)


async def test_the_sixth_text_in_ten_minutes_is_refused_whoever_asks(
    door: Door, clock: FakeClock
) -> None:
    victim = Newcomer(door, clock).phone
    began = clock.now()
    for _ in range(5):
        bomber = Newcomer(door, clock, victim)
        assert (await bomber.start_and_wait())["state"] == "sent"
        await bomber.tell("cancel")
        clock.advance(30)
    refused = await Newcomer(door, clock, victim).start()
    assert refused.refusal == (429, "rate_limited")
    assert refused["retry_after"] == 600 - 150
    clock.set(began + timedelta(seconds=600))
    assert (await Newcomer(door, clock, victim).start()).status == 201


async def test_texts_asked_for_at_the_same_moment_keep_to_the_limit(
    door: Door, clock: FakeClock
) -> None:
    victim = Newcomer(door, clock).phone
    async with asyncio.TaskGroup() as tasks:
        starts = [tasks.create_task(Newcomer(door, clock, victim).start()) for _ in range(12)]
    assert sorted(start.result().status for start in starts) == [201] * 5 + [429] * 7


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("fa", "کد ورود هدهد: {}\nکد {}\nبه هیچ‌کس ندهید."),
        ("en", "Hodhod code: {}\nCode {}\nGive it to nobody."),
    ],
)
async def test_the_text_is_in_the_language_asked_for(
    newcomer: Newcomer, locale: str, text: str
) -> None:
    newcomer.locale = locale
    started = await newcomer.start()
    code = await newcomer.code()
    assert await newcomer.texts() == [text.format(code, started["tag"])]


async def test_the_outbox_of_a_number_without_texts_is_empty(door: Door) -> None:
    answer = await ask(door, "GET", "/dev/outbox", params={"phone": "0935 111 2233"})
    assert answer == Answer(200, {"texts": []})


async def test_the_outbox_needs_a_number(door: Door) -> None:
    assert (await ask(door, "GET", "/dev/outbox")).refusal == (400, "malformed")
    answer = await ask(door, "GET", "/dev/outbox", params={"phone": "x"})
    assert answer.refusal == (400, "phone_invalid")
