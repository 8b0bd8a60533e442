"""What nodes share: the only package that imports redis. Everything in it may be lost."""

from __future__ import annotations
