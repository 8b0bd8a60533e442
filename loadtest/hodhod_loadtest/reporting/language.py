"""One language of a report: its texts, its digits, its direction."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from hodhod_loadtest.reporting.texts import TEXTS

_PERSIAN: Final = str.maketrans("0123456789.,", "۰۱۲۳۴۵۶۷۸۹٫٬")
_SOON: Final = re.compile(r"(signups|returns)\.in_(\d+)s_share")
_PLACES: Final = {"en": 0, "fa": 1}


@dataclass(frozen=True, slots=True)
class Language:
    """`code` is `en` or `fa`."""

    code: str

    @property
    def direction(self) -> str:
        return "rtl" if self.code == "fa" else "ltr"

    def text(self, key: str, **values: object) -> str:
        """The text of this name; numbers that are put in have to be told by `number` before."""
        return TEXTS[key][_PLACES[self.code]].format(**values)

    def named(self, area: str, name: str) -> str:
        """What something is called, or its own name where we have no word for it."""
        pair = TEXTS.get(f"{area}.{name}")
        return pair[_PLACES[self.code]] if pair else name

    def number(self, value: float, digits: int = 3) -> str:
        """So many digits are worth telling; whole numbers keep all of theirs."""
        if math.isinf(value):
            return self.text("never")
        if float(value).is_integer() or abs(value) >= 10**digits:
            told = f"{value:,.0f}"
        else:
            places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
            told = f"{value:,.{min(places, 6)}f}".rstrip("0").rstrip(".")
        return self.digits(told)

    def digits(self, told: str) -> str:
        """The same in this language's digits."""
        return told.translate(_PERSIAN) if self.code == "fa" else told

    def quantity(self, value: float | None, unit: str) -> str:
        """A number with its unit."""
        if value is None:
            return self.text("not measured")
        if math.isinf(value):
            return self.text("never")
        if unit == "share":
            value *= 100
        digits = 5 if unit == "share" and 90 < value < 100 else 3
        return self.text(f"unit.{unit}", number=self.number(value, digits))

    def span(self, low: float | None, high: float | None, unit: str) -> str:
        """From there to there."""
        if low is None or high is None:
            return "–"
        scale = 100 if unit == "share" else 1
        digits = 5 if unit == "share" and low > 0.9 else 3
        return self.text(
            "from to", low=self.number(low * scale, digits), high=self.number(high * scale, digits)
        )

    def change(self, percent: float) -> str:
        """With its sign, which stands before the number in both directions of writing."""
        told = f"{percent:+.1f}" if abs(percent) < 100 else f"{percent:+,.0f}"
        return "\u2066" + self.digits(told) + ("٪" if self.code == "fa" else " %") + "\u2069"

    def goal(self, goal: float, unit: str, is_most: bool) -> str:
        """In words: a sign for it would be mirrored in a text from right to left."""
        return self.text("at most" if is_most else "at least", goal=self.quantity(goal, unit))

    def moment(self, at_s: float) -> str:
        """Minutes and seconds since the start."""
        minutes, seconds = divmod(int(at_s), 60)
        return self.digits(f"{minutes}:{seconds:02}")

    def title(self, told: str) -> str:
        """As it begins a line."""
        return told[:1].upper() + told[1:]

    def measure(self, name: str) -> str:
        """What a measure is called: by its own text, or by what it is of and which quantile."""
        plain, _, stretch = name.partition("@")
        if f"measure.{plain}" in TEXTS:
            told = self.text(f"measure.{plain}")
        elif soon := _SOON.fullmatch(plain):
            told = self.text(f"measure.{soon[1]}.soon", seconds=self.digits(soon[2]))
        else:
            of, _, rest = plain.partition(".")
            quantile, _, unit = rest.partition("_")
            if f"kind.{of}" not in TEXTS or f"quantile.{quantile}" not in TEXTS:
                return name
            form = "quantile of, ratio" if unit == "ratio" else "quantile of"
            kind, share = self.text(f"kind.{of}"), self.text(f"quantile.{quantile}")
            told = self.title(self.text(form, kind=kind, quantile=share))
        return f"{told} ({self.named('phase', stretch)})" if stretch else told
