"""Waiting for news of a challenge, and proving a number by a text to us."""

from __future__ import annotations

import asyncio

from hodhod_server.domain.phone import parse_phone
from hodhod_server.sms.provider import Inbound, Receipt, ReceiptState
from hodhod_server.store.database import Database
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.newcomers import Newcomer
from tests.scripted_provider import ScriptedProvider
from tests.signup_api.conftest import House, OpenDoor

LINE = ("30001",)


def _text(newcomer: Newcomer, text: str, sender: str = "") -> Inbound:
    phone = parse_phone(sender or newcomer.phone)
    return Inbound(provider="first", sender=phone, line=LINE[0], text=text)


async def _written(house: House, newcomer: Newcomer) -> str:
    started = await newcomer.start()
    assert started["inbound"]["line"] == LINE[0]
    text: str = started["inbound"]["text"]
    return text


async def test_whoever_waits_is_answered_when_the_code_is_sent(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with open_door(provider) as house:
        people = [Newcomer(house.door, clock) for _ in range(20)]
        for newcomer in people:
            await newcomer.start()
        async with asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(one.status(after=1, wait_s=20)) for one in people]
            await eventually(lambda: len(provider.messages) == len(people))
            assert not any(wait.done() for wait in waits)
            provider.gate.set()
        assert {wait.result()["state"] for wait in waits} == {"sent"}
        assert {wait.result()["version"] for wait in waits} == {2}


async def test_who_asks_for_a_code_may_wait_for_its_hand_over_in_the_same_question(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with open_door(provider) as house:
        patient, hasty = Newcomer(house.door, clock), Newcomer(house.door, clock)
        patient.extra, hasty.extra = {"wait_s": 20}, {"wait_s": 0.2}
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(patient.start())
            told = await hasty.start()
            assert (told.status, told["state"], told["sent_at"]) == (201, "queued", None)
            await eventually(lambda: len(provider.messages) == 2)
            assert not waiting.done()
            provider.gate.set()
        sent = waiting.result()
        assert (sent.status, sent["state"], sent["eta"], sent["version"]) == (201, "sent", None, 2)
        assert sent["secret"] == patient.secret
        again = await patient.start()
        assert (again["id"], again["state"]) == (sent["id"], "sent")


async def test_news_that_came_before_the_question_are_told_at_once(newcomer: Newcomer) -> None:
    await newcomer.start_and_wait()
    async with asyncio.timeout(5):
        answer = await newcomer.status(after=1, wait_s=25)
    assert answer["state"] == "sent"


async def test_without_news_the_question_is_answered_after_its_time(newcomer: Newcomer) -> None:
    sent = await newcomer.start_and_wait()
    async with asyncio.timeout(5):
        answer = await newcomer.status(after=sent["version"], wait_s=1)
    assert answer["version"] == sent["version"]


async def test_whoever_waits_in_another_process_is_answered_as_well(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    async with open_door(ScriptedProvider()) as one, open_door(ScriptedProvider()) as other:
        for house in (one, other):
            newcomer = Newcomer(house.door, clock)
            await newcomer.start()
            async with asyncio.timeout(5):
                answer = await newcomer.status(after=1, wait_s=20)
            assert answer["state"] == "sent"


async def test_too_many_who_wait_are_told_when_to_come_back(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    async with open_door(ScriptedProvider(), watchers_max=1) as house:
        one, other = Newcomer(house.door, clock), Newcomer(house.door, clock)
        versions = [(await newcomer.start_and_wait())["version"] for newcomer in (one, other)]
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(one.status(after=versions[0], wait_s=1))
            await asyncio.sleep(0.1)
            refused = await other.status(after=versions[1], wait_s=20)
            assert not waiting.done()
        assert refused["come_back_at"] is not None
        assert refused["state"] == "sent"


async def test_a_text_from_the_number_proves_it_and_no_code_is_needed(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    provider = ScriptedProvider()
    async with open_door(provider, inbound_lines=LINE) as house:
        newcomer = Newcomer(house.door, clock)
        text = await _written(house, newcomer)
        assert (await newcomer.verify(None)).refusal == (400, "code_malformed")
        await house.arrivals([_text(newcomer, f"hodhod {text.lower()}")])
        assert (await newcomer.wait_for("accepted"))["inbound"] is None
        assert (await newcomer.verify(None, None)).refusal == (409, "name_required")
        first = await newcomer.verify(None)
        assert first.status == 200
        assert (await newcomer.verify(None))["device"] == first["device"]
        sent = len(provider.messages)
        clock.advance(30)
        await asyncio.sleep(0.4)
        assert len(provider.messages) == sent


async def test_who_waits_hears_of_all_that_came_before_the_hand_over_was_answered(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with open_door(provider, inbound_lines=LINE) as house:
        newcomer = Newcomer(house.door, clock)
        text = await _written(house, newcomer)
        await eventually(lambda: len(provider.messages) == 1)
        await house.arrivals([_text(newcomer, text)])
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(newcomer.status(after=2, wait_s=20))
            await asyncio.sleep(0.1)
            provider.gate.set()
        told = waiting.result()
        assert (told["state"], told["version"]) == ("accepted", 3)


async def test_a_text_from_another_number_or_with_another_code_proves_nothing(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    async with open_door(ScriptedProvider(), inbound_lines=LINE) as house:
        newcomer, other = Newcomer(house.door, clock), Newcomer(house.door, clock)
        text, others = await _written(house, newcomer), await _written(house, other)
        await house.arrivals(
            [
                _text(newcomer, text, other.phone),
                _text(newcomer, others),
                _text(newcomer, "سلام"),
                _text(newcomer, ""),
            ]
        )
        assert {(await one.wait_for("sent"))["state"] for one in (newcomer, other)} == {"sent"}


async def test_a_locked_challenge_is_still_proved_by_a_text(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    provider = ScriptedProvider()
    async with open_door(provider, inbound_lines=LINE) as house:
        newcomer = Newcomer(house.door, clock)
        text = await _written(house, newcomer)
        await newcomer.wait_for("sent")
        wrong = "000000" if provider.codes[0] != "000000" else "000001"
        for _ in range(5):
            await newcomer.verify(wrong)
            clock.advance(30)
        locked = await newcomer.status()
        assert (locked["state"], locked["next"][0]["channel"]) == ("locked", "message")
        await house.arrivals([_text(newcomer, text)])
        assert (await newcomer.verify(None)).status == 200


async def test_an_expired_or_cancelled_challenge_takes_no_text(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    async with open_door(ScriptedProvider(), inbound_lines=LINE) as house:
        late, gone = Newcomer(house.door, clock), Newcomer(house.door, clock)
        texts = [await _written(house, one) for one in (late, gone)]
        await late.wait_for("sent")
        await gone.tell("cancel")
        clock.advance(601)
        for one, text in zip((late, gone), texts, strict=True):
            await house.arrivals([_text(one, text)])
        assert (await late.status())["state"] == "expired"
        assert (await gone.status())["state"] == "cancelled"


async def test_receipts_are_kept_and_a_final_one_stays(
    open_door: OpenDoor, clock: FakeClock, database: Database
) -> None:
    async def kept() -> str | None:
        async with database.connection() as connection:
            state: str | None = await connection.fetchval("SELECT receipt FROM sends")
        return state

    async with open_door(ScriptedProvider()) as house:
        await Newcomer(house.door, clock).start_and_wait()
        for told, shown in (
            (ReceiptState.AT_OPERATOR, "at_operator"),
            (ReceiptState.DELIVERED, "delivered"),
            (ReceiptState.UNDELIVERED, "delivered"),
        ):
            receipt = Receipt(provider="first", message_id="m1", state=told)
            unknown = Receipt(provider="first", message_id="m7", state=told)
            await house.arrivals([receipt, receipt, unknown])
            assert await kept() == shown
