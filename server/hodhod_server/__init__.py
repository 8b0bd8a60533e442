"""The Hodhod server. `app.py` shows how a process is put together; README.md shows the layers."""

from __future__ import annotations
