"""How much the generator itself can do, against stubs that cost next to nothing."""

from __future__ import annotations
