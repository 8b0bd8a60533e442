"""Tickets of the waiting room: a place in line that the server does not have to remember.

A ticket says since when somebody has been waiting, for which number and device, what they were
promised, and before when it is useless to come. It is signed, so nobody can make one or move
ahead with one, and no row is written before somebody's turn.
Form: base64url(MessagePack) "." base64url(HMAC-SHA-256), as an access token.
"""

from __future__ import annotations

import hmac
from typing import Final

import msgspec

from hodhod_server.domain.errors import TicketInvalid
from hodhod_server.domain.keys import base64url, from_base64url, sign
from hodhod_server.domain.secret import Secret

VERSION: Final = 1
TICKET_CHARS_MAX: Final = 512


class Ticket(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place. Times in milliseconds since the epoch, promised waits from arrival in seconds."""

    version: int
    arrived_ms: int
    lane: int
    holder: bytes
    """Number and device, as one keyed hash."""
    not_before_ms: int
    expires_ms: int
    promised_p50_s: float
    promised_p90_s: float
    position: int
    """People in front when it was written; it only falls."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ticket).decode


def mint_ticket(key: Secret, ticket: Ticket) -> str:
    """The ticket as its holder keeps it."""
    payload = _encode(ticket)
    return f"{base64url(payload)}.{base64url(sign(key, payload))}"


def read_ticket(key: Secret, text: str, holder: bytes, now_ms: int) -> Ticket:
    """Raises `TicketInvalid` for one that is forged, too old, or somebody else's."""
    payload_text, _, signature_text = text.partition(".")
    if len(text) > TICKET_CHARS_MAX:
        raise TicketInvalid
    try:
        payload, signature = from_base64url(payload_text), from_base64url(signature_text)
    except ValueError:
        raise TicketInvalid from None
    if not hmac.compare_digest(signature, sign(key, payload)):
        raise TicketInvalid
    ticket = _decode(payload)
    if ticket.version != VERSION or ticket.expires_ms <= now_ms:
        raise TicketInvalid
    if not hmac.compare_digest(ticket.holder, holder):
        raise TicketInvalid
    return ticket
