"""The WebSocket edge: people who are already inside."""

from __future__ import annotations
