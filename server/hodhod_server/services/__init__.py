"""Use cases: one public method is one thing a user can do, and at most one transaction."""

from __future__ import annotations
