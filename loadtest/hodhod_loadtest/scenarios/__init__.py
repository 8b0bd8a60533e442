"""Scenarios: what is to happen to a server, written down in TOML with the reasons beside it."""

from __future__ import annotations
