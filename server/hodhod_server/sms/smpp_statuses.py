"""What each status of an SMSC means for a code (SMPP 3.4, 5.1.3).

Vendors use 0x400 to 0x4FF as they like (no credit, blacklisted, filtered): an operator's settings
say what those mean. What nobody has named is the SMSC's fault, so another provider is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hodhod_server.sms.provider import OutcomeClass

OK: Final = 0x00
REFUSALS_OF_BIND: Final = frozenset({0x0E, 0x0F, 0x53})  # others pass: a session that still lives
_OURS_TO_MEND: Final = (
    0x01,  # message length
    0x02,  # command length
    0x03,  # command id
    0x04,  # bound the wrong way
    0x06,  # priority
    0x07,  # registered delivery
    0x0A,  # source address
    0x0D,  # bind failed
    0x0E,  # password
    0x0F,  # system id
    0x15,  # service type
    0x43,  # esm_class
    0x48,  # source TON
    0x49,  # source NPI
    0x50,  # destination TON
    0x51,  # destination NPI
    0x53,  # system type
    0x61,  # scheduled delivery time
    0x62,  # validity period
    0xC0,  # TLVs
    0xC1,
    0xC2,
    0xC3,
    0xC4,
)
_KINDS: Final[Mapping[int, OutcomeClass]] = {
    OK: OutcomeClass.ACCEPTED,
    0x0B: OutcomeClass.RECIPIENT,  # destination address
    0x14: OutcomeClass.THROTTLED,  # message queue full
    0x58: OutcomeClass.THROTTLED,  # throttling
    **dict.fromkeys(_OURS_TO_MEND, OutcomeClass.CONFIG),
}


def kind_of(status: int, special: Mapping[int, OutcomeClass]) -> OutcomeClass:
    """By the operator's table, then by the standard's."""
    named = special.get(status) or _KINDS.get(status)
    return named or OutcomeClass.PROVIDER_FAULT
