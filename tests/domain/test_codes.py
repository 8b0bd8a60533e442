"""Codes: derived from everything that names them, and read however they were typed."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.codes import Code, derive_code, epoch_of, normalise_code
from hodhod_server.domain.errors import CodeMalformed
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.phone import Phone, parse_phone
from hodhod_server.domain.secret import Secret
from hodhod_server.sms.provider import CodeMessage

KEY = Secret(b"k" * 32)
PHONE = parse_phone("09123456789")
ID = ChallengeId("A" * 22)
six_digits = st.from_regex(r"[0-9]{6}", fullmatch=True)


def _code(
    key: Secret = KEY,
    epoch: int = 1,
    challenge: str = ID,
    phone: Phone = PHONE,
    generation: int = 0,
) -> str:
    return derive_code(key, epoch, ChallengeId(challenge), phone, generation).digits


def test_a_code_is_the_same_every_time() -> None:
    assert _code() == _code()
    assert len(_code()) == 6


def test_each_part_of_its_name_changes_the_code() -> None:
    codes = {
        _code(),
        _code(key=Secret(b"o" * 32)),
        _code(epoch=2),
        _code(challenge="B" * 22),
        _code(phone=parse_phone("09123456780")),
        _code(generation=1),
    }
    assert len(codes) == 6


def test_codes_are_spread_evenly_and_keep_their_leading_zeros() -> None:
    codes = [_code(challenge=str(number)) for number in range(5000)]
    assert {len(code) for code in codes} == {6}
    firsts = [sum(code[0] == digit for code in codes) for digit in "0123456789"]
    assert min(firsts) > 380  # 500 expected, standard deviation 21
    assert max(firsts) < 620


def test_the_epoch_is_the_day() -> None:
    assert epoch_of(datetime(1970, 1, 1, 23, 59, tzinfo=UTC)) == 0
    assert epoch_of(datetime(1970, 1, 2, tzinfo=UTC)) == 1


@given(six_digits, st.lists(st.sampled_from(" \t\n\u200c\u200d\u200e\u200f\u2066\u2069\ufeff")))
def test_marks_and_spaces_do_not_matter(digits: str, marks: list[str]) -> None:
    text = digits
    for place, mark in enumerate(marks):
        text = text[: place % 6] + mark + text[place % 6 :]
    assert normalise_code(text).is_same(Code(digits))


@given(six_digits)
def test_persian_and_arabic_digits_are_read(digits: str) -> None:
    for alphabet in ("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩"):
        text = digits.translate(str.maketrans("0123456789", alphabet))
        assert normalise_code(text).is_same(Code(digits))


@given(st.text())
def test_any_text_is_six_digits_or_malformed(text: str) -> None:
    try:
        code = normalise_code(text)
    except CodeMalformed:
        return
    assert len(code.digits) == 6
    assert code.digits.isascii()
    assert code.digits.isdecimal()


def test_a_code_does_not_show_itself() -> None:
    assert "123456" not in f"{Code('123456')} {Code('123456')!r}"
    message = CodeMessage(to=PHONE, code=Code("123456"), text="123456", locale="fa", reference=ID)
    assert "123456" not in repr(message)
    assert "3456789" not in repr(message)
