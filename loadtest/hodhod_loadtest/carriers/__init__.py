"""Carriers that can be told to lose, delay, lie and stall, and the handsets behind them."""

from __future__ import annotations
