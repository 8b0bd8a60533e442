"""Where gateways listen, by the address that a server tells."""

from __future__ import annotations

from urllib.parse import urlsplit

from hodhod_loadtest.bench.connection import Door


def gateway_at(websocket_url: str) -> Door:
    """Raises `ValueError` for an address without a port."""
    parts = urlsplit(websocket_url)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"{websocket_url} names no port")
    return Door(parts.hostname, parts.port, parts.path)
