"""What goes wrong on purpose: links that break, and later processes that die."""

from __future__ import annotations
