"""Login codes: derived, never stored.

A code is an HMAC over the challenge, the number and the generation, so a resend carries the same
code, a late text still works, and a stolen database holds no code. The epoch (the day) is part of
it, so that later the keys of old days can be thrown away.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from hodhod_server.domain.clock import EPOCH
from hodhod_server.domain.errors import CodeMalformed
from hodhod_server.domain.ids import ChallengeId
from hodhod_server.domain.keys import sign
from hodhod_server.domain.phone import Phone
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.text import ascii_digits, without_invisible

CODE_DIGITS: Final = 6
_DERIVED_BYTES: Final = 8  # 64 bits modulo 10**6: the bias is below 10**-13


class Code:
    """Six digits that only `digits` shows."""

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        self._digits = digits

    @property
    def digits(self) -> str:
        return self._digits

    def is_same(self, other: Code) -> bool:
        """Equal? The time taken tells nothing."""
        return hmac.compare_digest(self._digits, other._digits)

    def __repr__(self) -> str:
        return "Code(***)"


def epoch_of(moment: datetime) -> int:
    """The key epoch of a moment: days since 1970."""
    return (moment - EPOCH).days


def derive_code(
    key: Secret, epoch: int, challenge: ChallengeId, phone: Phone, generation: int
) -> Code:
    """The code of one generation of a challenge."""
    parts = (str(epoch), challenge, phone.e164, str(generation))
    digest = sign(key, *(part.encode() for part in parts))
    number = int.from_bytes(digest[:_DERIVED_BYTES], "big") % 10**CODE_DIGITS
    return Code(f"{number:0{CODE_DIGITS}}")


def normalise_code(text: str) -> Code:
    """What somebody typed as a code. Raises `CodeMalformed` unless six digits remain."""
    digits = without_invisible(ascii_digits(text))
    if len(digits) != CODE_DIGITS or not (digits.isascii() and digits.isdecimal()):
        raise CodeMalformed
    return Code(digits)
