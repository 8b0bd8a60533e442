"""What people read of a run: one self-contained HTML file, in Persian and English."""

from __future__ import annotations
