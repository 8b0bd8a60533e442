"""WebSocket close codes (RFC 6455 section 7.4.2, private range 4000-4999).

The range says what a client does next, so that an unknown code is understood too: 4000-4399
reconnect; 4400-4499 refresh the access token, then reconnect; 4500-4999 do not reconnect on your
own. Codes below 4000 come from the protocol itself or from a lost link: reconnect.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class CloseCode(IntEnum):
    """Why the server ended the connection."""

    GOING_AWAY = 4000
    SLOW_CONSUMER = 4001
    HELLO_TIMEOUT = 4002
    OVERLOADED = 4003
    TOKEN_REJECTED = 4400
    SESSION_ENDED = 4500
    TOO_MANY_ERRORS = 4501


class AfterClose(Enum):
    """What a client does after the connection ended."""

    RECONNECT = "reconnect"
    REFRESH_THEN_RECONNECT = "refresh_then_reconnect"
    STOP = "stop"


def after_close(code: int | None) -> AfterClose:
    """What to do after a close with this code; `None` is a connection that broke without one."""
    if code is not None and 4400 <= code <= 4499:
        return AfterClose.REFRESH_THEN_RECONNECT
    if code is not None and 4500 <= code <= 4999:
        return AfterClose.STOP
    return AfterClose.RECONNECT
