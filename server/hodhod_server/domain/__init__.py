"""Pure: ids, models, rules and arithmetic. No I/O, no clock of its own, no other server package."""

from __future__ import annotations
