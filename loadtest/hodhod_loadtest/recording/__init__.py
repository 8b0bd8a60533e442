"""What a run leaves: everything that a verdict, a report or a comparison is made of."""

from __future__ import annotations
