"""Numbers: every spelling is one number, and the number stays hidden."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.errors import PhoneInvalid
from hodhod_server.domain.phone import Phone, open_phone, parse_phone, phone_hash, seal_phone
from hodhod_server.domain.secret import Secret
from hodhod_wire.limits import PHONE_CHARS_MAX

KEY, OTHER_KEY = Secret(b"k" * 32), Secret(b"o" * 32)
PREFIXES = ("", "0", "+98", "0098", "98", "+980", "98 0", "+98 (0) ")
MARKS = (" ", "-", ".", "(", ")", "\u200c", "\u200e", "\u200f", "\u2069", "\u00a0", "–", "/")
ALPHABETS = ("0123456789", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩")

mobiles = st.from_regex(r"9[0-9]{9}", fullmatch=True)


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """A mobile number and one of its spellings."""
    national = draw(mobiles)
    text = draw(st.sampled_from(PREFIXES)) + national
    for _ in range(draw(st.integers(0, PHONE_CHARS_MAX - len(text)))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(MARKS)) + text[place:]
    digits = str.maketrans(ALPHABETS[0], draw(st.sampled_from(ALPHABETS)))
    return national, text.translate(digits)


@given(spelled())
def test_every_spelling_of_an_iranian_mobile_is_one_number(case: tuple[str, str]) -> None:
    national, text = case
    assert parse_phone(text) == Phone(f"+98{national}")


@given(st.text(max_size=PHONE_CHARS_MAX + 4))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        phone = parse_phone(text)
    except PhoneInvalid:
        return
    assert parse_phone(phone.e164) == phone


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        ("+44 7400 123456", "+447400123456"),
        ("0044 7400 123456", "+447400123456"),
        ("+971 50 123 4567", "+971501234567"),
        ("+93 70 123 4567", "+93701234567"),
        ("+1 (415) 555-2671", "+14155552671"),
        ("+۴۹ ۱۵۱ ۲۳۴۵۶۷۸۹", "+4915123456789"),
    ],
)
def test_mobiles_of_other_countries_are_accepted(text: str, e164: str) -> None:
    assert parse_phone(text).e164 == e164


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "0",
        "912345678",
        "91234567890",
        "09412",
        "021 8877 6655",
        "+98 21 8877 6655",
        "+44 20 7946 0958",
        "+999 123456789",
        "++989123456789",
        "0989123456789",
        "9123456789a",
        "0912 345 6789 ext 3",
        "09123456789#",
        "१२३४५६७८९०",
        " " * (PHONE_CHARS_MAX - 9) + "9123456789",
    ],
)
def test_what_is_no_mobile_number_is_refused(text: str) -> None:
    with pytest.raises(PhoneInvalid) as refusal:
        parse_phone(text)
    assert str(refusal.value) == ""


def test_a_number_shows_only_its_last_two_digits() -> None:
    phone = parse_phone("09123456789")
    assert f"{phone} {phone!r} {[phone]}" == "Phone(…89) Phone(…89) [Phone(…89)]"


@given(mobiles, mobiles)
def test_numbers_are_found_by_a_keyed_hash(one: str, other: str) -> None:
    first, second = parse_phone(one), parse_phone(other)
    assert (phone_hash(KEY, first) == phone_hash(KEY, second)) == (one == other)
    assert phone_hash(KEY, first) != phone_hash(OTHER_KEY, first)


@given(mobiles)
def test_a_sealed_number_opens_with_its_key_only(national: str) -> None:
    phone = parse_phone(national)
    sealed = seal_phone(KEY, phone)
    assert open_phone(KEY, sealed) == phone
    assert national.encode() not in sealed
    assert seal_phone(KEY, phone) != sealed
    with pytest.raises(InvalidTag):
        open_phone(OTHER_KEY, sealed)
    with pytest.raises(InvalidTag):
        open_phone(KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]))
