"""What every HTTP edge shares: problem documents, bodies, callers, health. No business here."""

from __future__ import annotations
