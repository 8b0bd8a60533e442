"""Phone numbers: every spelling of a mobile number becomes one, which then stays hidden.

Iranian mobiles are recognised by an own rule, because the library's ranges lag behind the
operators'; everything else is the library's judgement. In the database a number is a keyed hash to
find it by and a sealed copy to show its owner. Its `repr` and `str` show the last two digits.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

import phonenumbers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from hodhod_server.domain.errors import PhoneInvalid
from hodhod_server.domain.keys import sign
from hodhod_server.domain.secret import Secret
from hodhod_server.domain.text import ascii_digits, without_invisible
from hodhod_wire.limits import PHONE_CHARS_MAX

HOME_REGION: Final = "IR"
HOME_PREFIX: Final = "+98"
_SEPARATORS: Final = re.compile(r"[-‐‑‒–—−.()/]")  # spaces and marks are gone by then
_DIGITS: Final = re.compile(r"\+?[0-9]+")
_IRANIAN_MOBILE: Final = re.compile(r"(?:(?:\+|00)?98)?0?(9[0-9]{9})")
_IRANIAN: Final = re.compile(r"\+98[0-9]*")
_MOBILE_TYPES: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_NONCE_BYTES: Final = 12
_SEALED_AS: Final = b"phone"


class Phone:
    """A mobile number that only `e164` shows."""

    __slots__ = ("_e164",)

    def __init__(self, e164: str) -> None:
        self._e164 = e164

    @property
    def e164(self) -> str:
        """`+` and digits (ITU-T E.164)."""
        return self._e164

    @property
    def digits(self) -> str:
        """With the country's code and without `+`: `98912…`."""
        return self._e164[1:]

    @property
    def national(self) -> str:
        """As it is dialled at home, `0912…`; abroad, `00` and the country's code."""
        home = self._e164.removeprefix(HOME_PREFIX)
        return f"0{home}" if home != self._e164 else f"00{self.digits}"

    def __repr__(self) -> str:
        return f"Phone(…{self._e164[-2:]})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Phone) and other._e164 == self._e164

    def __hash__(self) -> int:
        return hash(self._e164)


def parse_phone(text: str) -> Phone:
    """The number somebody typed. Raises `PhoneInvalid` for anything but a mobile number."""
    if len(text) > PHONE_CHARS_MAX:
        raise PhoneInvalid
    is_plain = _DIGITS.fullmatch(text) is not None  # as programs write it
    dialled = text if is_plain else _SEPARATORS.sub("", without_invisible(ascii_digits(text)))
    if match := _IRANIAN_MOBILE.fullmatch(dialled):
        return Phone(f"+98{match[1]}")
    if _DIGITS.fullmatch(dialled) is None:
        raise PhoneInvalid
    return _parse_foreign(dialled)


def _parse_foreign(dialled: str) -> Phone:
    try:
        number = phonenumbers.parse(dialled, HOME_REGION)
    except phonenumbers.NumberParseException:
        raise PhoneInvalid from None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if _IRANIAN.fullmatch(e164) or not phonenumbers.is_valid_number(number):
        raise PhoneInvalid
    if phonenumbers.number_type(number) not in _MOBILE_TYPES:
        raise PhoneInvalid
    return Phone(e164)


def phone_hash(key: Secret, phone: Phone) -> bytes:
    """What the number is found by: equal for equal numbers, meaningless without the key."""
    return sign(key, phone.e164.encode())


def seal_phone(key: Secret, phone: Phone) -> bytes:
    """The number, encrypted (AES-256-GCM): a new nonce, then ciphertext and tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key.reveal()).encrypt(nonce, phone.e164.encode(), _SEALED_AS)


def open_phone(key: Secret, sealed: bytes) -> Phone:
    """Inverse of `seal_phone`. Raises `cryptography.exceptions.InvalidTag` for another key."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return Phone(AESGCM(key.reveal()).decrypt(nonce, ciphertext, _SEALED_AS).decode())
