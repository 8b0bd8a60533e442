"""The newcomers' edge, on its own socket: start, status, verify, coming back."""

from __future__ import annotations
