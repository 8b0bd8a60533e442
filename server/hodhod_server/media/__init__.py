"""The media edge: tus 1.0.0 uploads and range downloads."""

from __future__ import annotations
