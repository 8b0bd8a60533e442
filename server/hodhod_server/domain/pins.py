"""PINs: what guards an account when its number was taken by somebody else.

Four digits are few, so a PIN is never stored: Argon2id over a keyed hash is, and the server counts
tries.
"""

from __future__ import annotations

from typing import Final

from hodhod_server.domain.errors import PinInvalid
from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import sign
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.text import ascii_digits, without_invisible

PIN_CHARS_MIN: Final = 4
PIN_CHARS_MAX: Final = 20


class Pin:
    """A PIN that nothing shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def keyed(self, key: Secret, user: UserId) -> bytes:
        """What is hashed: without the server's key a stolen hash cannot be searched."""
        return sign(key, str(user).encode(), self._text.encode())

    def __repr__(self) -> str:
        return "Pin(***)"


def parse_pin(text: str) -> Pin:
    """What somebody typed as a PIN, digits of any alphabet. Raises `PinInvalid`."""
    typed = without_invisible(ascii_digits(text[: 4 * PIN_CHARS_MAX]))
    if not PIN_CHARS_MIN <= len(typed) <= PIN_CHARS_MAX:
        raise PinInvalid
    return Pin(typed)
