"""Where a request for a code comes from, as a number: the dispatch queue is fair between sources.

A source is a network and a block of numbers together. Neither alone would do: a city comes from
behind one address, and a flood comes from many.
"""

from __future__ import annotations

import ipaddress
import zlib
from typing import Final

from hodhod_server.domain.phone import Phone

BLOCK_DIGITS: Final = 4  # the last digits, which number a block's subscribers
_BITS: Final = 0x7FFF_FFFF


def network_of(address: str) -> str:
    """The /24 or /64 of an address; "" for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    prefix = 24 if parsed.version == 4 else 64
    return str(ipaddress.ip_network(f"{parsed}/{prefix}", strict=False))


def source_of(address: str, phone: Phone) -> int:
    """A bucket of origins."""
    return zlib.crc32(f"{network_of(address)} {phone.e164[:-BLOCK_DIGITS]}".encode()) & _BITS
