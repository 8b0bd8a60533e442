"""Vouchers: an account vouches for a newcomer, who then waits in the shorter lane.

A voucher is the account, the week and a serial number below the limit of the week, signed: an
account cannot have more of them than the limit, and nothing is stored to know it.
"""

from __future__ import annotations

import hmac
from typing import Final

import msgspec

from hodhod_server.domain.ids import UserId
from hodhod_server.domain.keys import base64url, from_base64url, sign
from hodhod_server.domain.secret import Secret

WEEK_S: Final = 604_800
VOUCHER_CHARS_MAX: Final = 128
_PURPOSE: Final = b"voucher"


class Voucher(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who vouches, in which week since 1970, and which of the week's vouchers this is."""

    user: UserId
    week: int
    serial: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Voucher).decode


def week_of(now_s: float) -> int:
    """The week of a moment."""
    return int(now_s // WEEK_S)


def mint_voucher(key: Secret, voucher: Voucher) -> str:
    """The voucher as it is passed on."""
    payload = _encode(voucher)
    return f"{base64url(payload)}.{base64url(sign(key, _PURPOSE, payload))}"


def find_voucher(key: Secret, text: str | None, now_s: float) -> Voucher | None:
    """The voucher, while it is good: this week and the next. `None` for anything else."""
    if text is None or len(text) > VOUCHER_CHARS_MAX:
        return None
    payload_text, _, signature_text = text.partition(".")
    try:
        payload, signature = from_base64url(payload_text), from_base64url(signature_text)
    except ValueError:
        return None
    if not hmac.compare_digest(signature, sign(key, _PURPOSE, payload)):
        return None
    voucher = _decode(payload)
    return voucher if week_of(now_s) - voucher.week in (0, 1) else None
