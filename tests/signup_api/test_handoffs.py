"""A code on its way out: refused, lost with its process, sent again, late."""

from __future__ import annotations

import asyncio

import pytest

from hodhod_server.domain.clock import to_ms
from hodhod_server.sms.provider import CodeMessage, Outcome, OutcomeClass
from tests.clock import FakeClock
from tests.eventually import eventually
from tests.newcomers import Newcomer, ask
from tests.providers import terms
from tests.signup_api.conftest import OpenDoor


class ScriptedSender:
    """Answers as it is told, and remembers the codes it took."""

    def __init__(self, *script: OutcomeClass | BaseException) -> None:
        self.terms = terms()
        self.script = list(script)
        self.messages: list[CodeMessage] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, message: CodeMessage) -> Outcome:
        self.messages.append(message)
        await self.gate.wait()
        step = self.script.pop(0) if self.script else OutcomeClass.ACCEPTED
        if isinstance(step, BaseException):
            raise step
        return Outcome(kind=step, retry_after_s=7 if step is OutcomeClass.THROTTLED else None)

    @property
    def codes(self) -> list[str]:
        return [message.code.digits for message in self.messages]


class ProcessDied(Exception):
    """Stands for a process that is gone before it could write anything down."""


@pytest.mark.parametrize(
    ("outcome", "retry_after"),
    [
        (OutcomeClass.PROVIDER_FAULT, 5),
        (OutcomeClass.THROTTLED, 7),
        (OutcomeClass.CONFIG, 5),
        (OutcomeClass.RECIPIENT, 5),
        (OutcomeClass.FRAUD, 5),
    ],
)
async def test_a_refused_handoff_is_told_and_the_next_start_tries_again(
    open_door: OpenDoor, clock: FakeClock, outcome: OutcomeClass, retry_after: int
) -> None:
    sender = ScriptedSender(outcome)
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        refused = await newcomer.start()
        assert refused.refusal == (503, "delivery_failed")
        assert refused["retry_after"] == retry_after
        answer = await newcomer.start()
        assert (answer.status, answer["state"]) == (201, "sent")
        assert (await newcomer.verify(sender.codes[-1])).status == 200


async def test_refused_handoffs_are_not_counted(open_door: OpenDoor, clock: FakeClock) -> None:
    sender = ScriptedSender(*[OutcomeClass.PROVIDER_FAULT] * 8)
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        for _ in range(8):
            assert (await newcomer.start()).refusal == (503, "delivery_failed")
        assert (await newcomer.start()).status == 201


async def test_a_challenge_whose_handoff_was_refused_is_queued_and_next_tries_again(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    sender = ScriptedSender(OutcomeClass.CONFIG)
    sender.gate.clear()
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(newcomer.start())
            await eventually(lambda: bool(sender.messages))
            beside = Newcomer(door, clock, newcomer.phone)
            beside.key = newcomer.key
            waiting = await beside.start()
            sender.gate.set()
        assert starting.result().refusal == (503, "delivery_failed")
        assert (waiting.status, waiting["state"]) == (201, "queued")
        assert (waiting["sent_at"], waiting["expires_at"]) == (None, None)
        assert waiting["next"][0]["at"] == to_ms(clock.now()) + 15_000
        queued = await beside.status()
        assert queued["state"] == "queued"
        assert queued["next"] == [{"channel": "sms", "at": to_ms(clock.now())}]
        assert (await beside.send_again())["state"] == "sent"
        assert (await beside.verify(sender.codes[-1])).status == 200


async def test_a_handoff_that_may_have_been_made_counts_and_its_code_works(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    sender = ScriptedSender(OutcomeClass.AMBIGUOUS)
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        assert (await newcomer.start())["state"] == "sent"
        assert (await newcomer.verify(sender.codes[0])).status == 200


async def test_after_a_death_amid_a_handoff_a_start_sends_the_same_code_again(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    sender = ScriptedSender(ProcessDied())
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        assert (await newcomer.start()).refusal == (500, "internal")
        clock.advance(14)
        assert (await newcomer.start())["state"] == "queued"
        assert (await newcomer.send_again()).refusal == (429, "rate_limited")
        clock.advance(1)
        assert (await newcomer.status())["state"] == "queued"
        assert (await newcomer.start())["state"] == "sent"
        assert sender.codes == [sender.codes[0]] * 2
        assert (await newcomer.verify(sender.codes[0])).status == 200


async def test_a_text_that_left_before_its_process_died_works(
    open_door: OpenDoor, clock: FakeClock
) -> None:
    sender = ScriptedSender(ProcessDied())
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        await newcomer.start()
        await newcomer.start()
        assert (await newcomer.verify(sender.codes[0])).status == 200


async def test_a_challenge_never_handed_over_lapses(open_door: OpenDoor, clock: FakeClock) -> None:
    sender = ScriptedSender(ProcessDied())
    async with open_door(sender) as door:
        newcomer = Newcomer(door, clock)
        await newcomer.start()
        await newcomer.start()
        clock.advance(900)
        assert (await newcomer.status())["state"] == "expired"


async def test_without_the_console_sender_there_is_no_outbox(
    open_door: OpenDoor,
) -> None:
    async with open_door(ScriptedSender()) as door:
        answer = await ask(door, "GET", "/dev/outbox", params={"phone": "09121112233"})
        assert answer.refusal == (404, "not_found")


async def test_sending_again_repeats_the_code_and_waits_its_time(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    first = await newcomer.start()
    early = await newcomer.send_again()
    assert (early.refusal, early["retry_after"]) == ((429, "rate_limited"), 20)
    clock.advance(19.5)
    assert (await newcomer.send_again())["retry_after"] == 0.5
    clock.advance(0.5)
    again = await newcomer.send_again()
    assert (again.status, again["sent_at"]) == (200, to_ms(clock.now()))
    assert again["expires_at"] == first["expires_at"]
    assert again["next"][0]["at"] == to_ms(clock.now()) + 20_000
    assert "secret" not in again.body
    codes = await newcomer.codes()
    assert codes == [codes[0]] * 2


async def test_sends_at_the_same_moment_are_one_send(newcomer: Newcomer, clock: FakeClock) -> None:
    await newcomer.start()
    clock.advance(20)
    async with asyncio.TaskGroup() as tasks:
        sends = [tasks.create_task(newcomer.send_again()) for _ in range(5)]
    assert sorted(send.result().status for send in sends) == [200, 429, 429, 429, 429]
    assert len(await newcomer.texts()) == 2


async def test_the_time_told_for_the_next_send_knows_the_limit(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    began = to_ms(clock.now())
    await newcomer.start()
    for _ in range(4):
        clock.advance(20)
        answer = await newcomer.send_again()
    assert answer["next"][0]["at"] == began + 600_000
    clock.advance(20)
    assert (await newcomer.send_again()).refusal == (429, "rate_limited")


async def test_a_late_send_carries_a_new_code_and_a_late_text_of_the_old_one_still_works(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start()
    clock.advance(479)
    await newcomer.send_again()
    clock.advance(20)
    late = await newcomer.send_again()
    old, repeated, new = await newcomer.codes()
    assert old == repeated != new
    assert late["expires_at"] == to_ms(clock.now()) + 600_000
    clock.advance(600 - 499 - 1)
    assert (await newcomer.verify(old)).status == 200


async def test_a_resend_does_not_lengthen_the_life_of_a_code(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start()
    clock.advance(470)
    await newcomer.send_again()
    clock.advance(129)
    assert (await newcomer.status())["state"] == "sent"
    clock.advance(1)
    assert (await newcomer.verify(await newcomer.code())).refusal == (410, "challenge_expired")


async def test_each_generation_lives_ten_minutes_from_its_own_handoff(
    newcomer: Newcomer, clock: FakeClock
) -> None:
    await newcomer.start()
    clock.advance(500)
    await newcomer.send_again()
    old, new = await newcomer.codes()
    clock.advance(100)
    wrong = await newcomer.verify(old)
    assert (wrong.refusal, wrong["tries_left"]) == ((403, "code_wrong"), 4)
    clock.advance(499)
    await newcomer.send_again()
    assert await newcomer.code() == new
    assert (await newcomer.verify(new)).status == 200


async def test_both_generations_end(newcomer: Newcomer, clock: FakeClock) -> None:
    await newcomer.start()
    clock.advance(590)
    await newcomer.send_again()
    clock.advance(600)
    for code in await newcomer.codes():
        assert (await newcomer.verify(code)).refusal == (410, "challenge_expired")
    assert (await newcomer.send_again()).refusal == (410, "challenge_expired")
