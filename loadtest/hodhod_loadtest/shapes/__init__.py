"""When people come: curves that are fixed before a run, whatever the server does then. Pure."""

from __future__ import annotations
