"""The JSON edge of the gateway: what the socket can do that is not a stream."""

from __future__ import annotations
