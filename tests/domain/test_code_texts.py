"""Texts around a code: each fits one SMS, and its last line is what its reader looks for."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hodhod_server.domain.challenges import Locale
from hodhod_server.domain.code_texts import ClientKind, Wording, code_text
from hodhod_server.domain.codes import Code
from hodhod_server.domain.segments import measure

HASH = "FA+9qCX9VSu"
WHOLE = Wording(web_host="web.hodhod.ir", app_hash=HASH)
codes = st.from_regex(r"[0-9]{6}", fullmatch=True).map(Code)
tags = st.sampled_from(["", "A7", "WW"])
wordings = st.builds(
    Wording,
    service_fa=st.text("هدپیامرسان ‌", min_size=1, max_size=30),
    service_en=st.text("Hodhod [€]~", min_size=1, max_size=80),
    web_host=st.just("") | st.from_regex(r"[a-z]{1,30}\.ir", fullmatch=True),
    app_hash=st.sampled_from(["", HASH]),
)


@given(
    code=codes,
    locale=st.sampled_from(get_args(Locale)),
    client=st.sampled_from(ClientKind),
    tag=tags,
    wording=wordings,
)
def test_every_text_is_one_segment_and_ends_as_its_reader_wants(
    code: Code, locale: Locale, client: ClientKind, tag: str, wording: Wording
) -> None:
    assume(not list(wording.complaints()))
    text = code_text(code, locale, client, tag=tag, wording=wording)
    measured = measure(text)
    assert measured.segments == 1
    assert measured.units <= measured.units_of_a_part
    first, *_, last = text.split("\n")
    assert code.digits in first
    assert tag in text
    if client is ClientKind.ANDROID:
        assert len(text.encode()) <= 140
        assert last == wording.app_hash or not wording.app_hash
    if client is ClientKind.WEB and wording.web_host:
        assert last == f"@{wording.web_host} #{code.digits}"


@given(wording=wordings)
def test_complaints_are_told_of_every_text_that_costs_two(wording: Wording) -> None:
    costly = {
        (locale, client, tag)
        for locale in get_args(Locale)
        for client in ClientKind
        for tag in ("", "WW")
        if measure(code_text(Code("000000"), locale, client, tag=tag, wording=wording)).segments > 1
    }
    assert not costly or list(wording.complaints())


def test_texts_are_as_people_read_them() -> None:
    code = Code("012345")
    assert code_text(code, "fa") == "کد ورود هدهد: 012345\nبه هیچ‌کس ندهید."
    assert code_text(code, "en", tag="A7") == "Hodhod code: 012345\nCode A7\nGive it to nobody."
    android = code_text(code, "fa", ClientKind.ANDROID, wording=WHOLE)
    assert android == f"کد ورود هدهد: 012345\nبه هیچ‌کس ندهید.\n{HASH}"
    assert measure(android).units == 49
    web = code_text(code, "fa", ClientKind.WEB, wording=WHOLE, tag="A7")
    assert web.split("\n")[-1] == "@web.hodhod.ir #012345"


def test_the_warning_gives_way_to_a_long_host() -> None:
    wording = Wording(web_host="messenger.example.org")
    text = code_text(Code("012345"), "fa", ClientKind.WEB, wording=wording, tag="A7")
    assert text == "کد ورود هدهد: 012345\nکد A7\n@messenger.example.org #012345"
    assert list(wording.complaints()) == []


def test_a_name_that_leaves_no_room_is_complained_about() -> None:
    complaints = list(Wording(service_fa="پیام‌رسان" * 8).complaints())
    assert complaints[0].startswith("the fa text for android does not fit one SMS")


@pytest.mark.parametrize(
    ("text", "is_gsm", "units", "segments"),
    [
        ("", True, 0, 1),
        ("a" * 160, True, 160, 1),
        ("a" * 161, True, 161, 2),
        ("a" * 306, True, 306, 2),
        ("a" * 307, True, 307, 3),
        ("€" * 80, True, 160, 1),
        ("a" * 152 + "€" + "a" * 152, True, 306, 3),  # the sign would not be split
        ("ب" * 70, False, 70, 1),
        ("ب" * 71, False, 71, 2),
        ("ب" * 134, False, 134, 2),
        ("ب" * 66 + "😀" + "ب" * 66, False, 134, 3),
        ("a" * 69 + "ب", False, 70, 1),
        ("`", False, 1, 1),  # in ASCII, and not in the alphabet
    ],
)
def test_networks_count_so(text: str, *, is_gsm: bool, units: int, segments: int) -> None:
    measured = measure(text)
    assert (measured.is_gsm, measured.units, measured.segments) == (is_gsm, units, segments)


@given(text=st.text(max_size=400))
def test_parts_hold_everything_and_none_is_needless(text: str) -> None:
    measured = measure(text)
    room = measured.units_of_a_part
    if measured.segments == 1:
        assert measured.units <= (160 if measured.is_gsm else 70)
    else:
        assert (measured.segments - 1) * (room - 1) < measured.units <= measured.segments * room
