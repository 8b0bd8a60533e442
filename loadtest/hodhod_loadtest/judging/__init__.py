"""What a recording is worth: measures with intervals, verdicts, what broke first, comparisons."""

from __future__ import annotations
