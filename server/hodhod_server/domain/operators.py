"""Which mobile operator a number began at, by its prefix.

Numbers move between operators, so this is a prior and never a fact: it groups statistics and lets
the router expect of a provider what it did for such numbers before.
"""

from __future__ import annotations

from typing import Final

from hodhod_server.domain.phone import Phone

_HOME: Final = "+98"
_PREFIXES: Final = {
    "mci": ("91", "990", "991", "992", "993", "994", "996"),
    "irancell": ("90", "930", "933", "935", "936", "937", "938", "939", "941"),
    "rightel": ("920", "921", "922", "923"),
}
OPERATORS: Final = (*_PREFIXES, "other", "abroad")


def operator_of(phone: Phone) -> str:
    """One of `OPERATORS`."""
    if not phone.e164.startswith(_HOME):
        return "abroad"
    national = phone.e164.removeprefix(_HOME)
    for operator, prefixes in _PREFIXES.items():
        if national.startswith(prefixes):
            return operator
    return "other"
