"""The commands. The only place that prints."""

from __future__ import annotations
