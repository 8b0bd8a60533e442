"""How many texts a text costs: its alphabet, its length in that alphabet, and the parts it makes.

3GPP TS 23.038: a text of the GSM alphabet has 160 septets, or parts of 153; one other character
makes all of it UCS-2 with 70 units, or parts of 67. A character of the extension table takes two
septets and an emoji two units, and neither is split between parts.
"""

from __future__ import annotations

from typing import Final

import msgspec

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A text as a network counts it."""

    is_gsm: bool
    units: int
    segments: int

    @property
    def units_of_a_part(self) -> int:
        """What fits where the text is one part of several, or gets a provider's footer."""
        return 153 if self.is_gsm else 67


def measure(text: str) -> Measure:
    """Count a text."""
    is_gsm = all(char in _BASIC or char in _EXTENSION for char in text)
    if is_gsm:
        sizes = [2 if char in _EXTENSION else 1 for char in text]
    else:
        sizes = [2 if ord(char) > 0xFFFF else 1 for char in text]
    alone, part = (160, 153) if is_gsm else (70, 67)
    units = sum(sizes)
    segments = 1 if units <= alone else _parts(sizes, part)
    return Measure(is_gsm=is_gsm, units=units, segments=segments)


def _parts(sizes: list[int], part: int) -> int:
    parts, used = 1, 0
    for size in sizes:
        if used + size > part:
            parts, used = parts + 1, 0
        used += size
    return parts
