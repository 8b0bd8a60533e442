"""E-mail addresses: read leniently, kept whole, hidden in every `repr`."""

from __future__ import annotations

import re
from typing import Final

from hodhod_server.domain.errors import Malformed
from hodhod_server.domain.text import without_invisible

ADDRESS_CHARS_MAX: Final = 254  # RFC 5321 4.5.3.1.3, without the angle brackets
_ADDRESS: Final = re.compile(r"[^@\s<>\"',;:\\]{1,64}@[^@\s<>\"',;:\\]+\.[^@\s<>\"',;:\\.]{2,}")


class EmailAddress:
    """An address that only `address` shows."""

    __slots__ = ("_address",)

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def address(self) -> str:
        """`local@domain` (RFC 5321)."""
        return self._address

    def __repr__(self) -> str:
        return "EmailAddress(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmailAddress) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)


def parse_email(text: str) -> EmailAddress:
    """The address somebody typed; its domain in lower case. Raises `Malformed`.

    Whether it exists only a message can tell, so no more than the shape is checked.
    """
    address = without_invisible(text).strip()
    if len(address) > ADDRESS_CHARS_MAX or _ADDRESS.fullmatch(address) is None:
        raise Malformed("not an e-mail address")
    local, _, domain = address.rpartition("@")
    return EmailAddress(f"{local}@{domain.lower()}")
