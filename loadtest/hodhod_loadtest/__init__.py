"""The demo, load tests and faults of Hodhod: what drives a server from outside."""

from __future__ import annotations
