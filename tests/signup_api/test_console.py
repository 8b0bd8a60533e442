"""The console sender keeps what it is given, and not for ever."""

from __future__ import annotations

from hodhod_server.domain.codes import Code
from hodhod_server.domain.phone import Phone, parse_phone
from hodhod_server.sms.console import ConsoleProvider
from hodhod_server.sms.provider import CodeMessage, OutcomeClass
from tests.clock import FakeClock
from tests.providers import terms

SARA, REZA, MINA = (parse_phone(f"0912111223{last}") for last in (1, 2, 3))


def _message(phone: Phone, digits: str) -> CodeMessage:
    return CodeMessage(to=phone, code=Code(digits), text=digits, locale="en", reference="A")


async def test_the_newest_texts_of_a_number_are_kept(clock: FakeClock) -> None:
    sender = ConsoleProvider(terms(), clock, texts_max=2)
    for digits in ("000001", "000002", "000003"):
        clock.advance(1)
        outcome = await sender.send(_message(SARA, digits))
        assert outcome.kind is OutcomeClass.ACCEPTED
    kept = sender.texts_for(SARA)
    assert [item.text for item in kept] == ["000002", "000003"]
    assert kept[-1].at == clock.now()
    assert "000003" not in repr(kept)


async def test_the_number_untouched_for_longest_is_dropped(clock: FakeClock) -> None:
    sender = ConsoleProvider(terms(), clock, phones_max=2)
    for phone in (SARA, REZA, SARA, MINA):
        await sender.send(_message(phone, "000001"))
    assert [len(sender.texts_for(phone)) for phone in (SARA, REZA, MINA)] == [2, 0, 1]
