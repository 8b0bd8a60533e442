"""The wire contract of Hodhod: every frame, event, error and close code, and nothing that does I/O.

Server and SDK import the same structs, so they cannot disagree. A client in another language is
written from `docs/reference/wire-protocol.md`, whose frame tables are generated from this package.

Always true: msgspec and the standard library are all it needs; a change that alters the bytes of a
frame breaks a golden vector in `tests/wire/golden`.
"""

from __future__ import annotations
