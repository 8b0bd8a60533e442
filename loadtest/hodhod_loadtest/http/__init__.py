"""HTTP/1.1 as lean as a generator needs it: one object for a connection, values for errors.

Flow: `messages` turns bytes into messages without I/O; `client` and `server` move the bytes.
"""

from __future__ import annotations
