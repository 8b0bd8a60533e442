"""The edge driven by time: sweeps of what has expired."""

from __future__ import annotations
