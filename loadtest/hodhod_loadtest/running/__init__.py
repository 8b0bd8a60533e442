"""Playing a scenario against a private server, and taking down what came of it."""

from __future__ import annotations
