"""What the process tells about itself: logs and metrics."""

from __future__ import annotations
