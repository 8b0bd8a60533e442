"""Bytes at rest: the contract, and those who keep it."""

from __future__ import annotations
