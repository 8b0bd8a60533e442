"""The eight characters that a newcomer sends to us, and the two that tell devices apart."""

from __future__ import annotations

import pytest

from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.inbound_codes import (
    ALPHABET,
    candidates_in,
    derive_inbound_code,
    tag_of,
)
from hodhod_server.domain.secret import Secret

KEY = Secret(b"k" * 32)
CODE = derive_inbound_code(KEY, ChallengeId("a"))


def test_the_alphabet_has_no_lookalikes() -> None:
    assert len(set(ALPHABET)) == 32
    assert not set("01IO") & set(ALPHABET)


@pytest.mark.parametrize(
    "typed",
    [
        "{}",
        " {}\n",
        "hodhod {}",
        "کد {} را بپذیرید",
        "{}.",
        "\u200f{}\u200c",
    ],
)
def test_it_is_found_however_it_was_typed(typed: str) -> None:
    for text in (CODE.text, CODE.text.lower(), f"{CODE.text[:4]} {CODE.text[4:]}"):
        assert CODE.is_in(candidates_in(typed.format(text)))


def test_another_code_is_not_it() -> None:
    other = derive_inbound_code(KEY, ChallengeId("b"))
    assert not CODE.is_in(candidates_in(other.text))
    assert not CODE.is_in(candidates_in(CODE.text[:7]))
    assert not CODE.is_in(candidates_in(""))


def test_a_long_text_costs_little() -> None:
    assert len(candidates_in("A" * 100_000)) < 600


def test_it_does_not_show_itself() -> None:
    assert CODE.text not in repr(CODE)


def test_a_tag_has_two_characters_and_says_nothing_of_the_code() -> None:
    tag = tag_of(KEY, ChallengeId("a"))
    assert len(tag) == 2
    assert not CODE.text.startswith(tag)
