"""Codes over SMPP, against an SMSC that another implementation of the protocol plays."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import smpp34

from hodhod_loadtest.carriers.smpp import Report, Smsc, Verdict, text_of
from hodhod_server.domain.email import EmailAddress
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.secret import Secret
from hodhod_server.settings.line_providers import SmppSettings
from hodhod_server.sms.provider import Outcome, OutcomeClass, ReceiptState
from hodhod_server.sms.smpp import Smpp, open_smpp
from tests.codes_to_carry import PERSIAN, Heard, code_message
from tests.eventually import eventually
from tests.free_ports import free_port
from tests.providers import terms

LINE = "9820001234"
PHONE = "989121234567"
COME_AGAIN = 0x64
VENDORS_ANSWERS = ("00000010 80000004 00000413 00000002", "00000010 80000004 000004fe 00000003")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with Smsc.open() as opened:
        yield opened


def settings_for(port: int, **changes: object) -> SmppSettings:
    fields: dict[str, Any] = {
        "name": "operator",
        "host": "127.0.0.1",
        "port": port,
        "system_id": "hodhod",
        "password": Secret(b"secret"),
        "source": LINE,
    }
    return SmppSettings(**(fields | changes))


@contextlib.asynccontextmanager
async def holding(provider: Smpp) -> AsyncIterator[Smpp]:
    """As the process that dispatches does."""
    async with asyncio.TaskGroup() as tasks:
        held = tasks.create_task(provider.hold_line())
        yield provider
        held.cancel()


@contextlib.asynccontextmanager
async def bound(smsc: Smsc, heard: Heard, **changes: object) -> AsyncIterator[Smpp]:
    agreed = terms("operator", in_flight_max=100)
    opening = open_smpp(settings_for(smsc.port, **changes), agreed, heard, random.Random(1))
    async with opening as provider, holding(provider):
        await eventually(lambda: provider.is_bound and bool(smsc.sessions))
        yield provider


async def send_many(provider: Smpp, count: int) -> list[Outcome]:
    async with asyncio.TaskGroup() as tasks:
        sends = [
            tasks.create_task(provider.send(code_message(reference=str(number))))
            for number in range(count)
        ]
    return [send.result() for send in sends]


async def test_a_code_leaves_in_persian_with_its_remaining_life(smsc: Smsc, heard: Heard) -> None:
    smsc.law = lambda _: Verdict(message_id="7a01")
    async with bound(smsc, heard) as provider:
        outcome = await provider.send(code_message(valid_s=543))
    assert (outcome.kind, outcome.message_id) == (OutcomeClass.ACCEPTED, "7a01")
    (submit,) = smsc.submits
    assert (submit.source_addr, submit.destination_addr) == (LINE, PHONE)
    assert (submit.data_coding, text_of(submit)) == (8, PERSIAN)
    assert submit.validity_period == "000000000903000R"
    assert (submit.registered_delivery, submit.priority_flag) == (1, 1)
    assert (submit.dest_addr_ton, submit.dest_addr_npi) == (1, 1)
    assert smsc.system_ids == ["hodhod"]


async def test_a_text_of_the_default_alphabet_is_sent_in_it(smsc: Smsc, heard: Heard) -> None:
    async with bound(smsc, heard) as provider:
        await provider.send(code_message(text="Hodhod code: 123456"))
    (submit,) = smsc.submits
    assert (submit.data_coding, submit.short_message) == (0, b"Hodhod code: 123456")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x58, OutcomeClass.THROTTLED),
        (0x14, OutcomeClass.THROTTLED),
        (0x0B, OutcomeClass.RECIPIENT),
        (0x0A, OutcomeClass.CONFIG),
        (0x08, OutcomeClass.PROVIDER_FAULT),
    ],
)
async def test_every_status_says_what_is_to_be_done(
    smsc: Smsc, heard: Heard, status: int, kind: OutcomeClass
) -> None:
    smsc.law = lambda _: Verdict(status)
    async with bound(smsc, heard) as provider:
        assert (await provider.send(code_message())).kind is kind


@pytest.mark.parametrize("has_tlvs", [True, False], ids=["tlvs", "text"])
async def test_a_receipt_tells_what_became_of_a_message(
    smsc: Smsc, heard: Heard, has_tlvs: bool
) -> None:
    report = Report("EXPIRED", 0.05, has_tlvs=has_tlvs)
    smsc.law = lambda _: Verdict(message_id="id-17", reports=[report])
    async with bound(smsc, heard) as provider:
        await provider.send(code_message())
        await eventually(lambda: bool(heard.receipts))
    (receipt,) = heard.receipts
    assert (receipt.provider, receipt.message_id) == ("operator", "id-17")
    assert receipt.state is ReceiptState.EXPIRED


async def test_a_receipt_that_overtakes_the_answer_waits_for_it(smsc: Smsc, heard: Heard) -> None:
    report = Report(message_id=str(0x7A01))
    smsc.law = lambda _: Verdict(message_id="7A01", after_s=0.3, reports=[report])
    async with bound(smsc, heard) as provider:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(provider.send(code_message()))
            await asyncio.sleep(0.15)
            assert heard.receipts == []
        await eventually(lambda: bool(heard.receipts))
    assert heard.receipts[0].message_id == sending.result().message_id == "7A01"


@pytest.mark.parametrize(
    ("told", "receipted"),
    [("3ade68b1", str(0x3ADE68B1)), (str(0x3ADE68B1), "3ADE68B1"), ("0000123", "123")],
)
async def test_a_message_is_known_by_every_spelling_of_its_id(
    smsc: Smsc, heard: Heard, told: str, receipted: str
) -> None:
    report = Report(after_s=0.05, message_id=receipted)
    smsc.law = lambda _: Verdict(message_id=told, reports=[report])
    async with bound(smsc, heard) as provider:
        await provider.send(code_message())
        await eventually(lambda: bool(heard.receipts))
    assert heard.receipts[0].message_id == told


async def test_what_was_under_way_when_the_line_broke_may_have_been_sent(
    smsc: Smsc, heard: Heard
) -> None:
    def law(_: smpp34.SubmitSmEvent) -> Verdict:
        return Verdict(cuts=len(smsc.submits) >= 10, is_answered=False)

    smsc.law = law
    async with bound(smsc, heard) as provider:
        outcomes = await send_many(provider, 10)
        assert {outcome.kind for outcome in outcomes} == {OutcomeClass.AMBIGUOUS}
        at_once = await provider.send(code_message())
        assert at_once.kind is OutcomeClass.PROVIDER_FAULT
        smsc.law = lambda _: Verdict()
        await eventually(lambda: provider.is_bound)
        assert (await provider.send(code_message())).kind is OutcomeClass.ACCEPTED


async def test_a_silent_operator_holds_nobody_longer_than_five_seconds(
    smsc: Smsc, heard: Heard
) -> None:
    smsc.law = lambda _: Verdict(is_answered=False)
    loop = asyncio.get_running_loop()
    async with bound(smsc, heard) as provider:
        began_s = loop.time()
        outcomes = await send_many(provider, 14)
    took_s = loop.time() - began_s
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds.count(OutcomeClass.AMBIGUOUS) == 10, "the window"
    assert kinds.count(OutcomeClass.THROTTLED) == 4
    assert 4.5 < took_s < 6.0
    assert len(smsc.submits) == 10


async def test_the_window_widens_for_an_operator_that_is_slow(smsc: Smsc, heard: Heard) -> None:
    smsc.law = lambda _: Verdict(after_s=0.2)
    async with bound(smsc, heard) as provider:
        outcomes = await send_many(provider, 40)
        assert {outcome.kind for outcome in outcomes} == {OutcomeClass.ACCEPTED}
        assert 30 <= provider.window.limit <= 100, "100 a second times 0.2 s times 1.5, and more"
        assert provider.window.used == 0


async def test_a_line_that_does_not_answer_signs_of_life_is_bound_again(
    smsc: Smsc, heard: Heard
) -> None:
    async with bound(smsc, heard, enquire_s=0.2) as provider:
        smsc.freeze()
        await eventually(lambda: not provider.is_bound, within_s=30)
        smsc.thaw()
        await eventually(lambda: provider.is_bound)
        assert (await provider.send(code_message())).kind is OutcomeClass.ACCEPTED


async def test_a_line_that_was_unbound_is_bound_again(smsc: Smsc, heard: Heard) -> None:
    async with bound(smsc, heard) as provider:
        await smsc.unbind()
        # It may be bound again before anybody looks, so the binds are counted.
        await eventually(lambda: len(smsc.system_ids) == 2)
        await eventually(lambda: provider.is_bound)
        assert (await provider.send(code_message())).kind is OutcomeClass.ACCEPTED


async def test_the_line_is_bound_while_it_is_held_and_the_first_code_waits_for_it(
    smsc: Smsc, heard: Heard
) -> None:
    opening = open_smpp(settings_for(smsc.port), terms("operator"), heard, random.Random(1))
    async with opening as provider:
        assert (await provider.send(code_message())).answer == "not bound"
        for times in (1, 2):
            async with holding(provider):
                await asyncio.sleep(0)
                assert (await provider.send(code_message())).kind is OutcomeClass.ACCEPTED
                heard.is_broken = True
                assert await smsc.deliver(LINE, b"a", source_addr=PHONE, source_addr_ton=1) == 0
            await eventually(lambda: not smsc.sessions)
            assert not provider.is_bound
            assert len(smsc.system_ids) == times
        heard.is_broken = False
        await eventually(lambda: len(heard.texts) == 2)


async def test_nobody_at_the_other_end_is_the_providers_fault(heard: Heard) -> None:
    settings = settings_for(free_port())
    opening = open_smpp(settings, terms(), heard, random.Random(1))
    async with opening as provider, holding(provider):
        await asyncio.sleep(0)
        outcome = await provider.send(code_message())
    assert (outcome.kind, outcome.answer) == (OutcomeClass.PROVIDER_FAULT, "not bound")


@contextlib.asynccontextmanager
async def octets_in_answer(*answers: str) -> AsyncIterator[int]:
    """An SMSC of a few octets: what it says to each PDU in turn. Yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(1000)
            writer.write(bytes.fromhex(answer))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_refused_password_is_for_the_operator_to_mend(heard: Heard) -> None:
    async with (
        octets_in_answer("00000010 80000009 0000000e 00000001") as port,
        open_smpp(settings_for(port), terms(), heard, random.Random(1)) as provider,
        holding(provider),
    ):
        for _ in range(100):
            outcome = await provider.send(code_message())
            if outcome.kind is OutcomeClass.CONFIG:
                break
            await asyncio.sleep(0.02)
    assert (outcome.kind, outcome.answer) == (OutcomeClass.CONFIG, "bind 0x000e")


async def test_a_vendors_own_status_means_what_the_settings_say_and_ends_nothing(
    heard: Heard,
) -> None:
    answers = ("00000012 80000009 00000000 00000001 4100", *VENDORS_ANSWERS)
    statuses = {"0x0413": "config"}
    async with (
        octets_in_answer(*answers) as port,
        open_smpp(
            settings_for(port, statuses=statuses), terms(), heard, random.Random(1)
        ) as provider,
        holding(provider),
    ):
        await eventually(lambda: provider.is_bound)
        first = await provider.send(code_message())
        second = await provider.send(code_message())
        assert provider.is_bound
    assert (first.kind, first.answer) == (OutcomeClass.CONFIG, "status 0x0413")
    assert second.kind is OutcomeClass.PROVIDER_FAULT


async def test_an_address_is_no_number(smsc: Smsc, heard: Heard) -> None:
    async with bound(smsc, heard) as provider:
        outcome = await provider.send(code_message(EmailAddress("a@example.org")))
    assert outcome.kind is OutcomeClass.RECIPIENT


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (8, "ورود".encode("utf-16-be"), "ورود"),
        (0, b"join \x1b\x3c7\x1b\x3e", "join [7]"),
        (3, "café".encode("latin-1"), "café"),
        (0x18, "ورود".encode("utf-16-be"), "ورود"),
    ],
    ids=["ucs2", "gsm", "latin", "ucs2 with a class"],
)
async def test_a_persons_text_is_heard_whatever_its_alphabet(
    smsc: Smsc, heard: Heard, coding: int, octets: bytes, text: str
) -> None:
    async with bound(smsc, heard):
        status = await smsc.deliver(
            LINE, octets, source_addr=PHONE, source_addr_ton=1, data_coding=coding
        )
        await eventually(lambda: bool(heard.texts))
    assert status == 0
    (inbound,) = heard.texts
    assert (inbound.sender, inbound.line, inbound.text) == (Phone(f"+{PHONE}"), LINE, text)


@pytest.mark.parametrize("header", ["05000342", "0608040042"], ids=["8 bits", "16 bits"])
async def test_a_long_text_is_joined_in_order_from_parts_in_any_order(
    smsc: Smsc, heard: Heard, header: str
) -> None:
    octets = "بفرست 🕊 ".encode("utf-16-be") * 3
    parts = [octets[:13], octets[13:26], octets[26:]]
    async with bound(smsc, heard):
        for number in (3, 1, 2):
            await smsc.deliver(
                LINE,
                bytes.fromhex(f"{header}03{number:02x}") + parts[number - 1],
                source_addr=PHONE,
                source_addr_ton=1,
                data_coding=8,
                esm_class=0x40,
            )
        await eventually(lambda: bool(heard.texts))
    assert heard.texts[0].text == "بفرست 🕊 " * 3


async def test_what_the_store_cannot_take_stays_with_the_operator(smsc: Smsc, heard: Heard) -> None:
    async def bring(text: bytes) -> int:
        return await smsc.deliver(LINE, text, source_addr=PHONE, source_addr_ton=1)

    heard.is_broken = True
    async with bound(smsc, heard, arrivals_max=1):
        assert (await bring(b"first"), await bring(b"second")) == (0, COME_AGAIN)
        heard.is_broken = False
        await eventually(lambda: bool(heard.texts))
        assert await bring(b"second") == 0
        await eventually(lambda: len(heard.texts) == 2)
    assert [inbound.text for inbound in heard.texts] == ["first", "second"]


async def test_nonsense_from_the_operator_ends_nothing(smsc: Smsc, heard: Heard) -> None:
    async with bound(smsc, heard) as provider:
        for octets, esm_class in ((b"no receipt at all", 0x04), (b"\xff", 0x40), (b"", 0)):
            status = await smsc.deliver(LINE, octets, source_addr="?", esm_class=esm_class)
            assert status == 0, "it is not to come again"
        assert heard.arrivals == []
        assert (await provider.send(code_message())).kind is OutcomeClass.ACCEPTED
    assert len(smsc.system_ids) == 1
