"""Who comes: numbers as a country has them, each at an address and on a device of its own.

The door judges blocks of numbers and networks of addresses by who enters codes there, so a crowd
must be spread as people are: a surge of 60,000 brings two to a block of 10,000 numbers. Pure.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

OPERATORS: Final = (
    *(f"091{digit}" for digit in range(10)),
    *("0990", "0991", "0992"),
    *("0930", "0933", "0935", "0936", "0937", "0938", "0939"),
    *("0901", "0902", "0903", "0905"),
    *("0920", "0921", "0922"),
)
"""Prefixes of mobile operators in Iran; seven digits follow."""

NETWORKS: Final = (2, 5, 31, 37, 46, 77, 78, 79, 80, 85, 86, 87, 89, 91, 92, 93, 94, 95)
"""First bytes under which there are addresses in that country, among many others."""

_WORD: Final = (1 << 64) - 1


class Person(NamedTuple):
    """Somebody who may come."""

    phone: str
    address: str
    device_key: str

    @property
    def headers(self) -> dict[str, str]:
        """What a proxy before the server would add."""
        return {"X-Forwarded-For": self.address}


def people(chance: random.Random) -> Iterator[Person]:
    """As many as are wanted, no number twice."""
    taken: set[str] = set()
    while True:
        phone = f"{chance.choice(OPERATORS)}{chance.randrange(10_000_000):07}"
        if phone in taken:
            continue
        taken.add(phone)
        rest = chance.randrange(1 << 24)
        address = f"{chance.choice(NETWORKS)}.{rest >> 16}.{rest >> 8 & 255}.{rest & 255}"
        key = base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=")
        yield Person(phone, address, key)


class Draws:
    """Chance of one person: a few bytes where a `random.Random` holds 2.5 KiB of state.

    The generator is splitmix64: a counter and a mixing of its bits.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int, person: Person) -> None:
        self._state = (seed << 40 ^ int(person.phone)) & _WORD

    def uniform(self, a: float, b: float, /) -> float:
        """Between the two."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        mixed = self._state
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _WORD
        return a + (b - a) * ((mixed ^ mixed >> 31) / (_WORD + 1))
