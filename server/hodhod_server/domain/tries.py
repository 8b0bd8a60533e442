"""Allowances of tries that come back with time: so many at once, then one after so long."""

from __future__ import annotations

import msgspec


class Allowance(msgspec.Struct, frozen=True):
    """How many tries there are at once, and after how long one comes back."""

    tries_max: int
    refill_s: float


def subject(kind: str, of: bytes | int) -> bytes:
    """The name under which tries are counted: of a number, or of a person."""
    return kind.encode() + b":" + (of if isinstance(of, bytes) else str(of).encode())
