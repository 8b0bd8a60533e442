"""Receipts of an SMSC: what they say, and which message they are about.

The state stands in TLVs, or in a text whose form SMPP calls an example and vendors take as one. The
id of a message may come in hexadecimal in the answer and in decimal in the receipt, or the other
way about; so an answered id is found by every reading of it, and what we hand on is always the id
of the answer. For a message of before the last start the reading that fitted last is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hodhod_server.sms.provider import Receipt, ReceiptState
from hodhod_server.sms.smpp_pdus import (
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
    Delivery,
)

REMEMBERED_MAX: Final = 65_536  # a hundred a second for the ten minutes that a code lives
_STATES: Final = {
    0: ReceiptState.QUEUED,
    1: ReceiptState.AT_OPERATOR,
    2: ReceiptState.DELIVERED,
    3: ReceiptState.EXPIRED,
    4: ReceiptState.UNDELIVERED,
    5: ReceiptState.UNDELIVERED,
    6: ReceiptState.AT_OPERATOR,
    8: ReceiptState.UNDELIVERED,
}
# Vendors write seven letters, eight, or the whole word: the first five tell them apart.
_WORDS: Final = {
    "SCHED": ReceiptState.QUEUED,
    "ENROU": ReceiptState.AT_OPERATOR,
    "DELIV": ReceiptState.DELIVERED,
    "EXPIR": ReceiptState.EXPIRED,
    "DELET": ReceiptState.UNDELIVERED,
    "UNDEL": ReceiptState.UNDELIVERED,
    "ACCEP": ReceiptState.AT_OPERATOR,
    "REJEC": ReceiptState.UNDELIVERED,
}
_WORD_CHARS: Final = 5
_MESSAGE: Final = re.compile(r"\btext:", re.IGNORECASE)  # what follows is the person's
_ID: Final = re.compile(r"\bid:\s*(\S+)", re.IGNORECASE)
_STATE: Final = re.compile(r"\bstat:\s*(\w+)", re.IGNORECASE)
_FAILURE: Final = re.compile(r"\berr:\s*(\w+)", re.IGNORECASE)


def read_receipt(provider: str, delivery: Delivery) -> Receipt:
    """What a receipt says, with its own spelling of the id. Raises `ValueError` without an id."""
    text = _MESSAGE.split(delivery.body.decode("latin-1"), maxsplit=1)[0]
    tlv = delivery.tlvs.get(RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0").decode("ascii", "replace")
    message_id = tlv or _found(_ID, text)
    if not message_id:
        raise ValueError("a receipt of no message")
    number = delivery.find_number(MESSAGE_STATE)
    word = _found(_STATE, text).upper()
    if number is not None:
        state = _STATES.get(number, ReceiptState.UNKNOWN)
    else:
        state = _WORDS.get(word[:_WORD_CHARS], ReceiptState.UNKNOWN)
    said = str(number) if number is not None else word
    failure = delivery.tlvs.get(NETWORK_ERROR_CODE, b"").hex() or _found(_FAILURE, text)
    answer = f"state {said}" + (f", error {failure}" if failure else "")
    return Receipt(provider=provider, message_id=message_id, state=state, answer=answer[:64])


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def _number(text: str, base: int) -> int | None:
    """Only what is digits through and through: `int` alone would take `_` and signs."""
    if not text.isascii() or not text.isalnum():
        return None
    try:
        return int(text, base)
    except ValueError:
        return None


class MessageIds:
    """The ids of the newest answers, found by any spelling. The oldest is forgotten."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._told: dict[str, None] = {}
        self._by_number: dict[tuple[int, int], str] = {}
        self._are_told_hex = False
        self._are_receipted_hex = False
        self._bases = (10, 10)
        self._example = ""

    def add(self, told: str) -> None:
        """An answer named a message."""
        self._told[told] = None
        self._example = told
        self._are_told_hex |= _is_surely_hex(told)
        for base in (10, 16):
            if (number := _number(told, base)) is not None:
                self._by_number[base, number] = told
        if len(self._told) > self._remembered_max:
            self._forget(next(iter(self._told)))

    def find(self, receipted: str) -> str | None:
        """The id of the answer, for the id in a receipt."""
        self._are_receipted_hex |= _is_surely_hex(receipted)
        if self._are_told_hex == self._are_receipted_hex:
            bases = ((16, 16),) if self._are_told_hex else ((10, 10), (16, 10), (10, 16))
            return self._same(receipted) or self._find_by(receipted, bases)
        # Short ids of two bases look alike, so the likelier reading comes first.
        bases = ((16, 10),) if self._are_told_hex else ((10, 16),)
        return self._find_by(receipted, bases) or self._same(receipted)

    def guess(self, receipted: str) -> str:
        """How the answer will have spelt an id that is not remembered."""
        told_base, base = self._bases
        number = _number(receipted, base)
        if told_base == base or number is None:
            return receipted
        if told_base == 10:
            return str(number)
        width = len(self._example) if self._example.startswith("0") else 0
        spelt = f"{number:0{width}x}"
        return spelt.upper() if self._example.upper() == self._example else spelt

    def _same(self, receipted: str) -> str | None:
        if receipted not in self._told:
            return None
        self._bases = (10, 10)
        return receipted

    def _find_by(self, receipted: str, bases: Sequence[tuple[int, int]]) -> str | None:
        for told_base, base in bases:
            number = _number(receipted, base)
            if number is not None and (told := self._by_number.get((told_base, number))):
                self._bases = (told_base, base)
                return told
        return None

    def _forget(self, told: str) -> None:
        del self._told[told]
        for base in (10, 16):
            number = _number(told, base)
            if number is not None and self._by_number.get((base, number)) == told:
                del self._by_number[base, number]


def _is_surely_hex(text: str) -> bool:
    return not text.isdecimal() and _number(text, 16) is not None
