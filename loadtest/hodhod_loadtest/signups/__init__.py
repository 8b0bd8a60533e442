"""Surges of newcomers against carriers that fail: the promises of sign-up, seen to hold or not."""

from __future__ import annotations
