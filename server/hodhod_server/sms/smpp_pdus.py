"""What an SMSC sends, read leniently: the fields of SMPP 3.4 that this project uses.

The session library reads strictly: it hangs up at a vendor's status, refuses a receipt that is
nothing but TLVs, and stumbles over a receipt's `err:00A`. Real SMSCs send all three, and send them
again after each reconnect. So the bytes of `deliver_sm` and of answers are read here, and only a
PDU whose fields cannot be found raises, always `ValueError`.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

HEADER: Final = struct.Struct("!IIII")
PDU_BYTES_MAX: Final = 65_536 + 1024  # `message_payload` alone may have 64 KiB
_TLV: Final = struct.Struct("!HH")

GENERIC_NACK: Final = 0x8000_0000
SUBMIT_SM_RESP: Final = 0x8000_0004
BIND_TRANSCEIVER_RESP: Final = 0x8000_0009

RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_REFERENCE: Final = 0x020C
SAR_TOTAL: Final = 0x020E
SAR_PART: Final = 0x020F
NETWORK_ERROR_CODE: Final = 0x0423
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

TON_INTERNATIONAL: Final = 1
_RECEIPT_KINDS: Final = (0x04, 0x20)  # of `esm_class`: a receipt, and news on the way to one
_KIND_MASK: Final = 0x3C
_HAS_HEADER: Final = 0x40


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An SMSC's answer to one of our PDUs."""

    command: int
    status: int
    sequence: int
    message_id: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A `deliver_sm`: a receipt, or a text from a person."""

    sender: str
    sender_ton: int
    line: str
    esm_class: int
    coding: int
    body: bytes
    tlvs: dict[int, bytes]

    def __repr__(self) -> str:
        return "Delivery()"

    @property
    def is_receipt(self) -> bool:
        """Some SMSCs forget the flag, but not the TLV."""
        flagged = self.esm_class & _KIND_MASK in _RECEIPT_KINDS
        return flagged or RECEIPTED_MESSAGE_ID in self.tlvs

    @property
    def has_header(self) -> bool:
        """Does the body begin with a user data header?"""
        return bool(self.esm_class & _HAS_HEADER)

    def find_number(self, tag: int) -> int | None:
        """The value of a TLV that is a number, however wide."""
        value = self.tlvs.get(tag)
        return int.from_bytes(value, "big") if value else None


def read_answer(pdu: bytes) -> Answer:
    """An answer: a vendor's status is as good as any, and a refusal has no body."""
    _, command, status, sequence = HEADER.unpack_from(pdu)
    named = pdu[HEADER.size :].partition(b"\0")[0] if command == SUBMIT_SM_RESP else b""
    message_id = named.decode("ascii", "replace")
    return Answer(command=command, status=status, sequence=sequence, message_id=message_id)


class _Fields:
    """A place in a PDU's body that moves on."""

    def __init__(self, pdu: bytes) -> None:
        self._pdu = pdu
        self._at = HEADER.size

    @property
    def left(self) -> int:
        return len(self._pdu) - self._at

    def octets(self, count: int) -> bytes:
        if self.left < count:
            raise ValueError("the PDU ends too early")
        self._at += count
        return self._pdu[self._at - count : self._at]

    def octet(self) -> int:
        return self.octets(1)[0]

    def text(self) -> str:
        """A C-octet string."""
        end = self._pdu.index(0, self._at)
        read = self._pdu[self._at : end].decode("ascii", "replace")
        self._at = end + 1
        return read

    def tlvs(self) -> dict[int, bytes]:
        """All that follow; one that is cut off is left out."""
        found: dict[int, bytes] = {}
        while self.left >= _TLV.size:
            tag, length = _TLV.unpack(self.octets(_TLV.size))
            if length > self.left:
                break
            found[tag] = self.octets(length)
        return found


def read_delivery(pdu: bytes) -> Delivery:
    """A `deliver_sm` (SMPP 3.4, 4.6.1). Raises `ValueError`."""
    fields = _Fields(pdu)
    fields.text()  # service_type
    sender_ton, _ = fields.octets(2)
    sender = fields.text()
    fields.octets(2)
    line = fields.text()
    esm_class, _, _ = fields.octets(3)
    fields.text()  # schedule_delivery_time
    fields.text()  # validity_period
    _, _, coding, _ = fields.octets(4)
    body = fields.octets(fields.octet())
    tlvs = fields.tlvs()
    return Delivery(
        sender=sender,
        sender_ton=sender_ton,
        line=line,
        esm_class=esm_class,
        coding=coding,
        body=body or tlvs.get(MESSAGE_PAYLOAD, b""),
        tlvs=tlvs,
    )
