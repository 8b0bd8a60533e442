"""`make demo`: the main job, told line by line, on a private server."""

from __future__ import annotations
