"""Texts that people send to our lines, as SMPP carries them: their alphabets and their parts.

A long text comes as several PDUs, in any order, told apart by a reference that its phone gave it.
Parts wait in a bounded shelf: the oldest unfinished text makes room, and none waits longer than
`UNFINISHED_S`, since a part that is lost never comes.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiosmpplib import GSM7BitCodec

from hodhod_server.sms.smpp_pdus import SAR_PART, SAR_REFERENCE, SAR_TOTAL, Delivery

UNFINISHED_MAX: Final = 512
UNFINISHED_S: Final = 120.0
PARTS_MAX: Final = 8  # what people send us is a word; eight parts are half a page
TEXT_CHARS_MAX: Final = 1024
_LATIN_1: Final = 3
_ASCII: Final = 1
_UCS2: Final = 8
_GENERAL_GROUPS: Final = range(0x10, 0x40)
_MESSAGE_CLASS: Final = 0xF0
_GSM: Final = GSM7BitCodec()
_CONCATENATED: Final = {0x00: 1, 0x08: 2}  # octets of the reference


class Part(msgspec.Struct, frozen=True):
    """A place in a long text. One that stands alone is part 1 of 1."""

    reference: int = 0
    total: int = 1
    number: int = 1


def decode_text(coding: int, octets: bytes, default_alphabet: str) -> str:
    """What the octets say; a character that cannot be read becomes a sign of it."""
    alphabet = _alphabet(coding, default_alphabet)
    if alphabet == "gsm0338":
        return _GSM.decode(octets, "replace")[0][:TEXT_CHARS_MAX]
    return octets.decode(alphabet, "replace")[:TEXT_CHARS_MAX]


def _alphabet(coding: int, default_alphabet: str) -> str:
    """By SMPP 3.4 5.2.19, and by GSM 03.38 for values that SMSCs pass through."""
    if coding in (_ASCII, _LATIN_1):
        return "latin-1"
    if coding == _UCS2 or (coding in _GENERAL_GROUPS and coding & 0x0C == _UCS2):
        return "utf-16-be"
    if coding & _MESSAGE_CLASS == _MESSAGE_CLASS and coding & 0x04:
        return "latin-1"
    return default_alphabet


def split_header(delivery: Delivery) -> tuple[Part, bytes]:
    """Which part of which text this is, and its octets. Raises `ValueError`."""
    if not delivery.has_header:
        return _part_of_tlvs(delivery), delivery.body
    if not delivery.body or delivery.body[0] >= len(delivery.body):
        raise ValueError("a header longer than its text")
    end = 1 + delivery.body[0]
    return _part_of_header(delivery.body[1:end]), delivery.body[end:]


def _part_of_tlvs(delivery: Delivery) -> Part:
    total = delivery.find_number(SAR_TOTAL)
    number = delivery.find_number(SAR_PART)
    if not total or not number:
        return Part()
    return Part(delivery.find_number(SAR_REFERENCE) or 0, total, number)


def _part_of_header(header: bytes) -> Part:
    """Elements that are not about parts (ports, say) are passed over."""
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        octets = _CONCATENATED.get(kind)
        if octets is not None and len(value) == octets + 2:
            return Part(int.from_bytes(value[:octets], "big"), value[octets], value[octets + 1])
        at += 2 + length
    return Part()


class _Unfinished:
    __slots__ = ("began_s", "parts")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.parts: dict[int, bytes] = {}


class LongTexts:
    """The shelf of parts. Overflow: the text that was begun first is dropped."""

    def __init__(self, unfinished_max: int = UNFINISHED_MAX) -> None:
        self._unfinished_max = unfinished_max
        self._unfinished: dict[tuple[str, str, int, int], _Unfinished] = {}

    def join(self, delivery: Delivery, now_s: float) -> bytes | None:
        """The octets of the whole text, once the last part has come. Raises `ValueError`."""
        part, octets = split_header(delivery)
        if part.total <= 1:
            return octets
        if part.total > PARTS_MAX or not 1 <= part.number <= part.total:
            raise ValueError("not a part of a text that is taken")
        key = (delivery.sender, delivery.line, part.reference, part.total)
        self._drop_old(now_s)
        begun = self._unfinished.setdefault(key, _Unfinished(now_s))
        begun.parts[part.number] = octets
        if len(begun.parts) < part.total:
            return None
        del self._unfinished[key]
        return b"".join(begun.parts[number] for number in sorted(begun.parts))

    def _drop_old(self, now_s: float) -> None:
        while self._unfinished:
            key, oldest = next(iter(self._unfinished.items()))
            is_full = len(self._unfinished) >= self._unfinished_max
            if not is_full and now_s - oldest.began_s < UNFINISHED_S:
                return
            del self._unfinished[key]
