"""Where somebody comes from on the internet, and what may be concluded from it.

One IPv4 address may be a city behind a carrier's NAT; one IPv6 customer has a whole /64. An address
of a private or loopback range says nothing about anybody (a proxy nobody told us of, or a
development machine), so it is nobody's address.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from typing import Final

import msgspec

REMEMBERED: Final = 4_096  # reading one takes 10 µs, and who comes has asked a moment ago
_CIDR_V4: Final = 24
_CIDR_V6: Final = 48
_AROUND_V4: Final = 16
_AROUND_V6: Final = 32
_CUSTOMER_V6: Final = 64
AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origin(msgspec.Struct, frozen=True):
    """An address as limits see it: the customer, the network around, the neighbourhood around that
    (one provider's, mostly), and whether a NAT is known."""

    customer: str
    network: str
    neighbourhood: str
    is_v6: bool
    is_carrier: bool


class Networks:
    """A set of networks, asked by address. Lookups cost one step per different prefix length."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        """Raises `ValueError` for what is no network."""
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for cidr in cidrs:
            network = ipaddress.ip_network(cidr)
            shift = network.max_prefixlen - network.prefixlen
            known = self._prefixes.setdefault((network.version, shift), set())
            known.add(int(network.network_address) >> shift)

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
            return False
        value, version = int(address), address.version
        return any(
            value >> shift in known
            for (of, shift), known in self._prefixes.items()
            if of == version
        )


@functools.lru_cache(REMEMBERED)
def parse_address(text: str) -> AnyAddress | None:
    """The address, IPv4 where it was only mapped into IPv6; `None` for anything else."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def origin_of(address: AnyAddress | None, carriers: Networks) -> Origin | None:
    """What limits go by; `None` for an address that is nobody's."""
    if address is None:
        return None
    is_carrier = address in carriers
    if not (is_carrier or address.is_global):
        return None
    is_v6 = isinstance(address, ipaddress.IPv6Address)
    network, around = (_CIDR_V6, _AROUND_V6) if is_v6 else (_CIDR_V4, _AROUND_V4)
    return Origin(
        customer=_prefix(address, _CUSTOMER_V6) if is_v6 else str(address),
        network=_prefix(address, network),
        neighbourhood=_prefix(address, around),
        is_v6=is_v6,
        is_carrier=is_carrier,
    )


def client_address(peer: str | None, forwarded: str | None, proxies: Networks) -> AnyAddress | None:
    """Who is at the other end: the last hop that is not one of our own proxies.

    Only what our proxies wrote is believed: whoever connects directly may write what they like
    into the header, and is taken for their own address.
    """
    address = parse_address(peer or "")
    hops = [] if forwarded is None else forwarded.split(",")
    while address is not None and address in proxies and hops:
        address = parse_address(hops.pop())
    return address


def _prefix(address: AnyAddress, bits: int) -> str:
    shift = address.max_prefixlen - bits
    return f"{int(address) >> shift:x}/{bits}"
