"""Names and labels: free, but one plain line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hodhod_server.domain.errors import NameInvalid
from hodhod_server.domain.names import parse_name
from hodhod_server.domain.text import is_plain_line, label


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("سارا", "سارا"),
        ("  Sara \n", "Sara"),
        ("علی‌رضا", "علی‌رضا"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("\u200fسارا\u200f", "\u200fسارا\u200f"),
        ("x", "x"),
        ("x" * 64, "x" * 64),
        ("م" * 64 + "  ", "م" * 64),
        ("O'Neil 3rd, PhD.", "O'Neil 3rd, PhD."),
    ],
)
def test_names_are_kept_as_they_are_but_for_the_space_around(text: str, name: str) -> None:
    assert parse_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "x" * 65,
        "a\nb",
        "a\tb",
        "a\u0000b",
        "a\u0085b",
        "a\u2028b",
        "\u202eadmin",
        "\u2066admin\u2069",
        "\u200c\u200d",
        "\u200e",
        "\u0301\u0302",
        "\u3164",
        "\u2800",
        "\ufe0f",
    ],
)
def test_names_that_cannot_be_seen_or_bend_others_are_refused(text: str) -> None:
    with pytest.raises(NameInvalid):
        parse_name(text)


@given(st.text())
def test_what_is_accepted_is_accepted_again_unchanged(text: str) -> None:
    try:
        name = parse_name(text)
    except NameInvalid:
        return
    assert parse_name(name) == name


@given(st.text(), st.integers(1, 70))
def test_a_label_is_a_plain_line_of_bounded_length(text: str, chars_max: int) -> None:
    shown = label(text, chars_max=chars_max)
    assert len(shown) <= chars_max
    assert is_plain_line(shown)
    assert shown == label(shown, chars_max=chars_max)


def test_a_label_loses_only_what_cannot_be_shown() -> None:
    assert label(" Pixel\u0000 9\n Pro \u202e", chars_max=64) == "Pixel 9 Pro"
