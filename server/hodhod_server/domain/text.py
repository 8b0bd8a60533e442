"""Text as people type it: digits of three alphabets, and characters nobody sees.

Keyboards and copy-paste bring Persian and Arabic digits, zero-width joiners and direction marks
into fields where only their meaning matters.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_ASCII_DIGITS: Final = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_INVISIBLE: Final = _CONTROLS | {"Cf", "Zs"}
_BIDI_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters and a symbol by category that leave no ink: Hangul fillers and the empty Braille cell.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def ascii_digits(text: str) -> str:
    """The text with Persian and Arabic digits as 0-9."""
    return text.translate(_ASCII_DIGITS)


def without_invisible(text: str) -> str:
    """The text without spaces, controls and format characters: ZWNJ, direction marks, BOM …"""
    return "".join(char for char in text if unicodedata.category(char) not in _INVISIBLE)


def is_plain_line(text: str) -> bool:
    """No controls, no line breaks, nothing that reorders the text around it.

    Joiners and direction marks stay: Persian words and emoji are written with them.
    """
    return not any(
        char in _BIDI_CONTROLS or unicodedata.category(char) in _CONTROLS for char in text
    )


def has_ink(text: str) -> bool:
    """Is there a character that can be seen by itself?"""
    return any(
        unicodedata.category(char) not in _INVISIBLE
        and not unicodedata.category(char).startswith("M")
        and char not in _BLANK
        for char in text
    )


def label(text: str, *, chars_max: int) -> str:
    """What a program says of itself, made fit to be shown: one plain line, cut to length."""
    words = ("".join(char for char in word if is_plain_line(char)) for word in text.split())
    plain = " ".join(word for word in words if word)
    return plain[:chars_max].strip()
