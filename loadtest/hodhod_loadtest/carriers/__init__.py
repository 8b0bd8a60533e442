"""Carriers of codes that behave as they are told: what operators' machines do, on one's own."""

from __future__ import annotations
