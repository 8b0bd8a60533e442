"""The version of the wire contract and the names under which it is negotiated.

The version is part of the WebSocket subprotocol (RFC 6455 section 1.9). Additions keep it: a reader
ignores members it does not know, and skips frames and events whose tag it does not know.
"""

from __future__ import annotations

from typing import Final

WIRE_VERSION: Final = 1
SUBPROTOCOL_MSGPACK: Final = "hodhod.v1.msgpack"
SUBPROTOCOL_JSON: Final = "hodhod.v1.json"
